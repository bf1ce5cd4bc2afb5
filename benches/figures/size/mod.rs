//! How large things are: what a probe keeps in the kernel, and the objects in the binary.
//!
//! The first is asked of the kernel in a guest, where nothing else has maps or programs.
//!
//! ```text
//! kernel    the maps and programs that come with a probe
//! objects   the objects that the binary carries
//! ```

mod kernel;
mod objects;

use std::process::ExitCode;

use self::kernel::Loaded;
use crate::{
    figure::Figure,
    visit::{KERNEL, Visit},
};

pub const ROLE: &str = "--size";
/// The templates that are looked at: the one with the fewest programs, and the one with the most.
const TEMPLATES: [&str; 2] = ["file_open", "exec"];

/// One for each template.
type Findings = Vec<Result<Loaded, String>>;

/// The guest's part.
pub fn measure() -> ExitCode {
    let findings: Findings = TEMPLATES.iter().map(|template| Loaded::with_probe(template)).collect();
    match serde_json::to_writer(std::io::stdout(), &findings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub fn figures() -> Vec<Figure> {
    let visit = Visit { role: &[ROLE], files: Vec::new(), icount: false }.pay::<Findings>();
    let findings = match visit {
        Ok(found) => found.findings,
        Err(reason) => TEMPLATES.iter().map(|_| Err(reason.clone())).collect(),
    };
    let place = format!("guest, Linux {KERNEL}");
    let mut figures: Vec<Figure> = TEMPLATES
        .iter()
        .zip(findings)
        .flat_map(|(template, loaded)| kernel::figures(template, &place, loaded))
        .collect();
    figures.push(objects::figure());
    figures
}
