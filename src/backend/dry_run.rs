//! Nothing behind the script: what it attaches is checked and described, and never decides anything.

use std::time::{Duration, Instant};

use super::{Altered, Attached, Backend, BackendError, Door, Followed, InScope, PinRequest, Request};
use crate::{
    facts::bpf::Program,
    probe::{
        Counters, Mode, ParamValue, Scope, Spec, Summary,
        ask::{Reply, Standing},
    },
    template::Param,
};

/// A backend that attaches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct DryRun;

impl Backend for DryRun {
    fn attach(&self, request: Request<'_>) -> Result<Box<dyn Attached>, BackendError> {
        let spec = request.spec;
        // What the script reads has counted nothing.
        let empty = |of| Summary::new(&spec.name, of, vec![], 0);
        Ok(Box::new(Rehearsed { summaries: spec.aggregations.iter().map(empty).collect() }))
    }

    fn preview(&self, _: &Spec) -> Result<Vec<InScope>, BackendError> {
        Ok(Vec::new())
    }

    fn programs(&self) -> Result<Vec<Program>, BackendError> {
        Ok(Vec::new())
    }

    fn is_live(&self) -> bool {
        false
    }
}

struct Rehearsed {
    /// Its aggregations, without a row.
    summaries: Vec<Summary>,
}

impl Attached for Rehearsed {
    fn door(&self) -> Door {
        Door::Lsm
    }

    fn no_better_door(&self) -> Option<&str> {
        None
    }

    fn missing_hooks(&self) -> Vec<String> {
        Vec::new()
    }

    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    fn param_remarks(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn say(&mut self, _: &str) {}

    fn set_mode(&mut self, _: Mode) -> Result<(), BackendError> {
        Ok(())
    }

    fn standing(&self, _: u32, _: u64) -> Standing {
        Standing::Over
    }

    fn answer(&mut self, _: u32, _: u64, _: Reply) -> Result<bool, BackendError> {
        Ok(false)
    }

    fn altered(&mut self, _: bool) -> Result<Vec<Altered>, BackendError> {
        Ok(Vec::new())
    }

    fn set_lease(&mut self, _: Option<Duration>) -> Result<(), BackendError> {
        Ok(())
    }

    fn tripped(&self, _: bool) -> Result<bool, BackendError> {
        Ok(false)
    }

    fn rearm(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn let_go(&mut self) {}

    fn limited(&self) -> Result<u64, BackendError> {
        Ok(0)
    }

    fn set_quiet(&mut self, _: bool) -> Result<(), BackendError> {
        Ok(())
    }

    fn set_filter(&mut self, _: &Spec) -> Result<(), BackendError> {
        Ok(())
    }

    fn set_scope(&mut self, _: &Scope) -> Result<(), BackendError> {
        Ok(())
    }

    fn set_param(&mut self, _: &Param, _: Option<&ParamValue>) -> Result<(), BackendError> {
        Ok(())
    }

    fn follow(&mut self, _: Instant) -> Result<Vec<Followed>, BackendError> {
        Ok(Vec::new())
    }

    fn summaries(&self) -> Result<Vec<Summary>, BackendError> {
        Ok(self.summaries.clone())
    }

    fn take_summaries(&mut self) -> Result<Vec<Summary>, BackendError> {
        self.summaries()
    }

    fn flush(&self) {}

    fn pin(&mut self, _: PinRequest<'_>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unpin(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    fn pinned(&self) -> Option<&str> {
        None
    }

    fn counters(&self) -> Result<Counters, BackendError> {
        Ok(Counters::default())
    }

    fn detach(self: Box<Self>) -> Result<(Counters, Vec<Summary>), BackendError> {
        Ok((Counters::default(), self.summaries))
    }
}
