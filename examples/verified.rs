use krsi_sh::lab::{self, Command, Extra, Request, Streams};
use krsi_sh::{kernel::Kernel, probe::Spec, template::Catalogue};
use std::time::{Duration, Instant};
fn guest() {
    let c = Catalogue::builtin().unwrap();
    let (tx, _rx) = crossbeam_channel::bounded(100000);
    let t = Instant::now();
    let k = Kernel::open(tx, c.clone()).unwrap();
    println!("open {:?}", t.elapsed());
    let only = std::env::args().nth(2);
    for (i, template) in c.iter().enumerate() {
        if only.as_ref().is_some_and(|o| *o != template.name) {
            continue;
        }
        let spec = Spec::new(template.clone(), "p".into());
        let t = Instant::now();
        let before: Vec<u32> =
            aya::programs::loaded_programs().filter_map(Result::ok).map(|p| p.id()).collect();
        match k.attach(u32::try_from(i).unwrap(), &spec) {
            Ok(a) => {
                println!("{}: attach {:?}", template.name, t.elapsed());
                for p in aya::programs::loaded_programs().filter_map(Result::ok) {
                    if before.contains(&p.id()) {
                        continue;
                    }
                    println!(
                        "   {} verified {:?} jited {}",
                        p.name_as_str().unwrap_or("?"),
                        p.verified_instruction_count(),
                        p.size_jitted()
                    );
                }
                drop(a);
            }
            Err(e) => println!("{}: {e}", template.name),
        }
    }
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).is_some_and(|a| a == "guest") {
        return guest();
    }
    let me = std::env::current_exe().unwrap();
    for k in args[1].split(',') {
        let request = Request {
            kernel: Some(k.into()),
            shell: Some(me.clone()),
            files: vec![Extra { host: me.clone(), guest: "/lab/x".into(), mode: 0o755 }],
            timeout: Duration::from_secs(300),
            ..Request::new(Command::Run { argv: vec!["/lab/x".into(), "guest".into()], stdin: vec![] })
        };
        let (mut o, mut e) = (Vec::new(), Vec::new());
        let v = lab::run(&request, Streams { stdout: &mut o, stderr: &mut e, console: None });
        println!("===== {k} {v:?}\n{}{}", String::from_utf8_lossy(&o), String::from_utf8_lossy(&e));
    }
}
