//! A probe that is to go on when its session has ended: everything that it has in the kernel, with a name each.

use std::{os::fd::BorrowedFd, time::Duration};

use jiff::Timestamp;
use nix::unistd::getuid;

use crate::{
    backend::PinRequest,
    kernel::{
        Kernel, KernelError,
        attach::attachment::Attachment,
        load::object::Object,
        pins::{
            self, Kept,
            manifest::{Manifest, SCHEMA},
        },
    },
    system::{clock, login},
};

impl Attachment {
    /// Keeps it attached beyond this process.
    ///
    /// # Errors
    /// If there is a pin of that name, or something of it cannot be kept; then nothing is.
    pub fn pin(&mut self, kernel: &Kernel, request: PinRequest<'_>) -> Result<(), KernelError> {
        // What another filter has replaced is to leave, and not to be kept.
        self.settle_all()?;
        let mut kept: Vec<Kept<'_>> = Vec::new();
        // The first generation's object has what follows the tables; that of the records of processes is everybody's.
        let records = kernel.processes.get().map(|processes| processes.object());
        let records = records.filter(|_| self.asks_for_records);
        for object in [Some(&self.hooks.object), self.first.as_ref(), records].into_iter().flatten() {
            add_links(&mut kept, object);
        }
        let links: Vec<String> = kept.iter().map(|(file, _)| file.clone()).collect();
        let lost =
            self.hooks.programs.iter().find(|(_, program)| !links.contains(&pins::link_file(program, 0)));
        if let Some((hook, _)) = lost {
            return Err(KernelError::Pin {
                name: request.name.to_owned(),
                reason: format!(
                    "the probe is not attached to `{hook}` any more\nfix: `.detach()`, `.attach()`, and then pin it"
                ),
            });
        }
        for (map, descriptor) in self.hooks.object.made_maps() {
            kept.push((pins::map_file(map), descriptor));
        }
        let layout = &self.template.layout;
        let manifest = Manifest {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            probe: request.probe.into(),
            template: self.template.name.clone(),
            object: self.template.object_hash(),
            hooks: self.hooks.programs.iter().map(|(hook, _)| hook.clone()).collect(),
            door: self.door.name().into(),
            rule: request.rule.into(),
            script: request.script.into(),
            pinned: Timestamp::now(),
            uid: getuid().as_raw(),
            loginuid: login::own_loginuid(),
            mode: request.mode.into(),
            mode_word: self.load(|control| control.mode)?,
            lease: request.lease,
            links,
            settings_size: layout.settings_size,
            control: layout.control,
            counters: layout.counters,
        };
        self.pinned = Some(pins::keep(request.name, &manifest, &kept)?);
        Ok(())
    }

    /// Takes the pin away: it ends with this process again.
    ///
    /// # Errors
    /// If that cannot be done; then it is pinned still.
    pub fn unpin(&mut self) -> Result<(), KernelError> {
        if let Some(own) = &self.pinned {
            own.take_away()?;
            self.pinned = None;
        }
        Ok(())
    }

    /// The name under which it is pinned, as far as is known.
    #[must_use]
    pub fn pinned(&self) -> Option<&str> {
        self.pinned.as_ref().map(|own| &*own.name)
    }

    /// How long it enforces still, if it is pinned (`Some(None)`: for ever): others may renew that.
    #[must_use]
    pub fn lease_left(&self) -> Option<Option<Duration>> {
        self.pinned.as_ref()?;
        let deadline = self.load(|control| control.lease_ns).ok()?;
        let left = deadline.saturating_sub(clock::monotonic_ns().unsigned_abs());
        Some((deadline != 0).then(|| Duration::from_nanos(left)))
    }

    /// Looks whether it is still pinned; gives the name if it was, and somebody has removed that.
    pub(super) fn lost_pin(&mut self) -> Option<String> {
        self.pinned.take_if(|own| !own.is_there()).map(|own| own.name)
    }
}

fn add_links<'k>(kept: &mut Vec<Kept<'k>>, object: &'k Object) {
    for (program, link) in object.links() {
        kept.push((free_name(kept, program), link));
    }
}

/// Programs of two objects, and copies of one, have the same name.
fn free_name(kept: &[(String, BorrowedFd<'_>)], program: &str) -> String {
    let mut names = (0..).map(|number| pins::link_file(program, number));
    names.find(|name| kept.iter().all(|(taken, _)| taken != name)).unwrap_or_default()
}
