//! What would be done?

use bundle::{Hook, IdRange, Kind, Origin, Plan, What};

use crate::opening::{Opened, left_out};

/// Says what a bundle asks for, a line for each thing.
pub(crate) fn print(opened: &Opened) {
    let plan = &opened.plan;
    let process = &plan.process;
    line("program", process.args.join(" "));
    let user = &process.user;
    line("runs", format!("in {}, as {}:{}", process.cwd.display(), user.uid, user.gid));
    line("root", plan.root.path.display());
    line("name", plan.hostname.as_deref().unwrap_or("that of the host"));
    line("new", kinds(plan, |origin| *origin == Origin::New));
    line("the host's", kinds(plan, |origin| *origin == Origin::Inherited));
    for (what, ranges) in [("user", &plan.id_maps.uids), ("group", &plan.id_maps.gids)] {
        ranges.iter().for_each(|range| line(what, map(range)));
    }
    for mount in &plan.mounts {
        line("mount", format!("{} on {}", source(&mount.what), mount.destination.display()));
    }
    for (moment, hook) in hooks(plan) {
        line(moment, hook.args.first().map_or(hook.path.to_string_lossy(), |name| name.into()));
    }
    opened.remarks.iter().for_each(|remark| line("remark", remark));
    left_out(plan).into_iter().for_each(|what| line("left out", what));
}

fn line(name: &str, what: impl std::fmt::Display) {
    println!("{name:<16}{what}");
}

fn kinds(plan: &Plan, wanted: impl Fn(&Origin) -> bool) -> String {
    let name = |kind: Kind| format!("{kind:?}").to_lowercase();
    let all = plan.namespaces.iter().filter(|(_, origin)| wanted(origin));
    all.map(|(kind, _)| name(kind)).collect::<Vec<String>>().join(" ")
}

fn map(range: &IdRange) -> String {
    let IdRange { inside, host, size } = range;
    match size {
        1 => format!("{inside} is {host} out here"),
        size => format!("{inside} is {host} out here, and so on for {size}"),
    }
}

fn source(what: &What) -> String {
    match what {
        What::FileSystem { kind, .. } => kind.clone(),
        What::Cgroup => "its cgroup".to_string(),
        What::Bind { source, .. } => format!("the host's {}", source.display()),
    }
}

fn hooks(plan: &Plan) -> Vec<(&'static str, &Hook)> {
    let hooks = &plan.hooks;
    let lists = [
        ("prestart", &hooks.prestart),
        ("createRuntime", &hooks.create_runtime),
        ("createContainer", &hooks.create_container),
        ("startContainer", &hooks.start_container),
        ("poststart", &hooks.poststart),
        ("poststop", &hooks.poststop),
    ];
    let mut all = Vec::new();
    for (moment, list) in lists {
        all.extend(list.iter().map(|hook| (moment, hook)));
    }
    all
}
