//! What does a filter do? Its program, instruction by instruction, in words.

use primitives::{Error, Instruction, Result, Status, SystemCall};

use crate::arch::{Arch, X32_BIT};
use crate::bpf::{
    AND, ARCHITECTURE, IF_AT_LEAST, IF_EQUAL, IF_GREATER, JUMP, LOAD, NUMBER, RETURN, interpret,
};
use crate::compile::compile;
use crate::profile::{Action, Profile};

/// Prints the program of a profile; with a call, only the way that the call takes through it.
pub(crate) fn explain(profile: &Profile, call: Option<&SystemCall>) -> Result<Status> {
    let program = compile(profile)?;
    let lines = lines(&program);
    match call {
        None => lines.iter().for_each(|line| println!("{line}")),
        Some(call) => {
            let way = interpret(&program, call).map_err(Error::Unusable)?;
            way.steps.iter().for_each(|at| println!("{}", lines[*at]));
            let meant = profile.decide(call);
            if way.answer != meant.code() {
                let words = meant.words();
                return Err(Error::Unusable(format!("the rules say something else: {words}")));
            }
        }
    }
    for name in profile.unknown_names() {
        println!("no call of these architectures has the name {name:?}: its rule does nothing");
    }
    Ok(Status::Exited(0))
}

/// What is in the register, as far as one can tell from the instructions above.
#[derive(Clone, Copy, PartialEq)]
enum Loaded {
    Nothing,
    Number,
    Architecture,
    /// Of this argument, this half; perhaps only some bits of it.
    Argument {
        index: u32,
        upper: bool,
        masked: bool,
    },
}

// ANCHOR: lines
/// One line for each instruction: its place, as an assembler has it, in words.
pub(crate) fn lines(program: &[Instruction]) -> Vec<String> {
    let mut loaded = Loaded::Nothing;
    // The architecture whose numbers these are; a program that does not ask takes them for its own.
    let mut arch = Arch::native();
    let mut lines = Vec::new();
    for (at, instruction) in program.iter().enumerate() {
        let (code, words) = match instruction.code {
            LOAD => {
                loaded = what_lies_at(instruction.k);
                (format!("load [{}]", instruction.k), words_of(loaded))
            }
            AND => {
                if let Loaded::Argument { masked, .. } = &mut loaded {
                    *masked = true;
                }
                (format!("and {:#x}", instruction.k), "keep only these bits".to_string())
            }
            JUMP => (format!("jump to {}", at + 1 + instruction.k as usize), String::new()),
            RETURN => (format!("return {:#010x}", instruction.k), answer(instruction.k)),
            _ => {
                if loaded == Loaded::Architecture {
                    arch = Arch::of(instruction.k, 0).unwrap_or(arch);
                }
                if loaded == Loaded::Number && instruction.k == X32_BIT {
                    arch = Arch::X86_64;
                }
                comparison(at, *instruction, loaded, arch)
            }
        };
        lines.push(format!("{at:>4}  {code:<34} {words}").trim_end().to_string());
    }
    lines
}
// ANCHOR_END: lines

fn what_lies_at(place: u32) -> Loaded {
    match place {
        NUMBER => Loaded::Number,
        ARCHITECTURE => Loaded::Architecture,
        16.. => {
            let index = (place - 16) / 8;
            Loaded::Argument { index, upper: !place.is_multiple_of(8), masked: false }
        }
        _ => Loaded::Nothing,
    }
}

fn words_of(loaded: Loaded) -> String {
    match loaded {
        Loaded::Nothing => String::new(),
        Loaded::Number => "which call?".to_string(),
        Loaded::Architecture => "of which architecture?".to_string(),
        Loaded::Argument { index, upper, .. } => {
            format!("argument {index}, its {} half", if upper { "upper" } else { "lower" })
        }
    }
}

fn answer(code: u32) -> String {
    Action::from_code(code).map_or_else(|| "?".to_string(), Action::words)
}

/// A comparison, and where the program goes on.
fn comparison(at: usize, instruction: Instruction, loaded: Loaded, arch: Arch) -> (String, String) {
    let Instruction { code, jt, jf, k } = instruction;
    let sign = match code {
        IF_EQUAL => "==",
        IF_GREATER => ">",
        IF_AT_LEAST => ">=",
        _ => "?",
    };
    let value = if k > 0xffff { format!("{k:#x}") } else { k.to_string() };
    let place = |skip: u8| at + 1 + usize::from(skip);
    let ways = match (jt, jf) {
        (0, no) => format!("else to {}", place(no)),
        (yes, 0) => format!("then to {}", place(yes)),
        (yes, no) => format!("then to {}, else to {}", place(yes), place(no)),
    };
    (format!("if {sign} {value} {ways}"), meaning(code, k, loaded, arch))
}

fn meaning(code: u16, k: u32, loaded: Loaded, arch: Arch) -> String {
    match loaded {
        Loaded::Architecture => {
            Arch::of(k, 0).map_or_else(String::new, |arch| format!("{}?", arch.name()))
        }
        Loaded::Number if code == IF_AT_LEAST && k == X32_BIT => "a call of x32?".to_string(),
        Loaded::Number => {
            let arch = if k & X32_BIT != 0 { Arch::X32 } else { arch };
            arch.call(k).map_or_else(String::new, |name| format!("{name}?"))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::lines;
    use crate::arch::Arch;
    use crate::compile::compile;
    use crate::oci::closed;
    use crate::profile::{Action, Profile, Rule};

    #[test]
    fn a_program_reads_like_a_text() {
        let door = closed("socket:0=40").unwrap();
        let rule = Rule { names: vec![door.name], action: Action::Errno(1), args: door.args };
        let mut profile = Profile::denying(vec![rule]);
        profile.architectures = vec![Arch::X86_64];
        let text = lines(&compile(&profile).unwrap()).join("\n");
        let expected = "   0  load [4]                           of which architecture?
   1  if == 0xc000003e then to 3         x86_64?
   2  jump to 16
   3  load [0]                           which call?
   4  if >= 0x40000000 else to 6         a call of x32?
   5  jump to 15
   6  load [0]                           which call?
   7  if == 41 else to 14                socket?
   8  load [20]                          argument 0, its upper half
   9  if == 0 else to 13
  10  load [16]                          argument 0, its lower half
  11  if == 40 else to 13
  12  return 0x00050001                  refuse it with EPERM
  13  load [0]                           which call?
  14  return 0x7fff0000                  let it pass
  15  return 0x80000000                  kill the process
  16  return 0x80000000                  kill the process";
        assert_eq!(text, expected);
    }
}
