//! Can any input do more than be refused?
//!
//! Configurations are broken at random places, thousands of them, by a generator that is always the
//! same: what panics once panics again. What is accepted must be readable a second time.

#![expect(clippy::unwrap_used, reason = "a generator that makes no sense fails the test")]

use std::path::Path;

use serde_json::{Map, Value, json};

/// As many as a second or two have room for.
const ROUNDS: u32 = 3_000;

/// splitmix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % sides as u64).unwrap()
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(u32::MAX),
            json!(""),
            json!("/"),
            json!(".."),
            json!("/../..//."),
            json!("a\u{0}b"),
            json!("a:b:c"),
            json!("\u{1f433}\u{300}é"),
            json!("MB"),
            json!("=".repeat(70)),
            json!("0-4294967295,7"),
            json!([]),
            json!([[], {}, null, ""]),
            json!({}),
            json!({ "": { "": [] } }),
        ];
        values[self.roll(values.len())].clone()
    }
}

/// Walks down to a random place and breaks it.
fn damage(value: &mut Value, dice: &mut Dice) {
    let deeper = dice.roll(6) > 0;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let index = dice.roll(map.len());
            let key = map.keys().nth(index).unwrap().clone();
            match dice.roll(12) {
                0 => drop(map.remove(&key)),
                1 => rename(map, &key, dice),
                _ => damage(map.get_mut(&key).unwrap(), dice),
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let index = dice.roll(list.len());
            match dice.roll(12) {
                0 => drop(list.remove(index)),
                1 => list.push(list[index].clone()),
                _ => damage(&mut list[index], dice),
            }
        }
        _ => *value = dice.value(),
    }
}

fn rename(map: &mut Map<String, Value>, key: &str, dice: &mut Dice) {
    let value = map.remove(key).unwrap();
    let names = ["", "/", "..", "net.é", "a=b", "\u{0}", "%d", "x.y/z", "type"];
    map.insert(names[dice.roll(names.len())].to_string(), value);
}

#[test]
fn nothing_panics() {
    let whole: [Value; 3] = [
        serde_json::from_str(include_str!("configs/everything.json")).unwrap(),
        serde_json::from_str(include_str!("configs/podman.json")).unwrap(),
        serde_json::from_str(include_str!("configs/docker.json")).unwrap(),
    ];
    let mut dice = Dice(1);
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..ROUNDS {
        let mut document = whole[round as usize % whole.len()].clone();
        for _ in 0..=dice.roll(4) {
            damage(&mut document, &mut dice);
        }
        let text = document.to_string();
        match bundle::read(text.as_bytes(), Path::new("/srv/bundle")) {
            Ok(reading) => {
                accepted += 1;
                let shown = serde_json::to_string(&reading.plan).unwrap();
                assert!(serde_json::from_str::<Value>(&shown).is_ok(), "{text}");
                whole_and_absolute(&reading.plan, &text);
            }
            Err(complaints) => {
                refused += 1;
                assert!(!complaints.all().is_empty());
                assert!(!complaints.to_string().is_empty());
            }
        }
    }
    assert!(refused > 500 && accepted > 50, "{refused} refused, {accepted} accepted");
}

/// What is promised of every plan.
fn whole_and_absolute(plan: &bundle::Plan, text: &str) {
    assert!(plan.root.path.is_absolute(), "{text}");
    assert!(plan.process.cwd.is_absolute(), "{text}");
    assert!(!plan.process.args.is_empty(), "{text}");
    assert!(plan.mounts.iter().all(|mount| mount.destination.is_absolute()), "{text}");
    assert!(plan.devices.iter().all(|device| device.path.is_absolute()), "{text}");
    assert!(!plan.cgroup.devices[0].allow, "{text}");
    let caps = &plan.process.capabilities;
    assert!(caps.ambient.is_subset(&caps.inheritable), "{text}");
    assert!(caps.effective.is_subset(&caps.permitted), "{text}");
    let up = |path: &std::path::Path| path.iter().any(|part| part == "..");
    assert!(plan.sysctls.iter().all(|sysctl| !up(&sysctl.path)), "{text}");
}

#[test]
fn cut_text_is_refused() {
    let text = include_str!("configs/docker.json");
    for end in 0..text.trim_end().len() {
        assert!(bundle::read(&text.as_bytes()[..end], Path::new("/b")).is_err());
    }
}
