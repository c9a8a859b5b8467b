//! Does a container stand in its own root, whatever the root was made to be?
#![expect(clippy::disallowed_methods, reason = "what a test prepares is not what it looks at")]

mod run;

use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, bundle, rest @ ..] = arguments.as_slice()
        && command == "in"
    {
        let mut plan = run::plan(Path::new(bundle));
        if !rest.is_empty() {
            plan.process.args = rest.to_vec();
        }
        let ended =
            run::run(&plan, &container::cgroup::Inside::Nothing, container::root::Way::Pivot);
        match ended {
            Ok(status) => std::process::exit(i32::from(status.code())),
            Err(error) => {
                eprintln!("{error}");
                std::process::exit(i32::from(error.exit_code()));
            }
        }
    }
}
