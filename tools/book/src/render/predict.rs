//! `{{#predict QUIZ}}`: what will happen? The right answer is not written, it is looked up in what
//! happened.

use anyhow::{Context, Result, bail, ensure};

use crate::directive::Directive;
use crate::scene::{Check, Choice, Predict};
use crate::sources::Sources;

/// The question, and each option folded up over its explanation.
pub(crate) fn render(directive: &Directive, sources: &Sources) -> Result<String> {
    directive.allow_options(&[])?;
    let quiz = sources.predict(directive.subject()?)?;
    let right = right_option(quiz, sources)?;
    let mut out = format!("<div class=\"predict\">\n\n{}\n\n", quiz.question.trim());
    for (index, choice) in quiz.option.iter().enumerate() {
        out.push_str(&option(choice, index == right));
    }
    out.push_str("</div>\n");
    Ok(out)
}

fn option(choice: &Choice, right: bool) -> String {
    let (class, verdict) = match right {
        true => ("right", "✓ Yes."),
        false => ("wrong", "✗ No."),
    };
    format!(
        "<details class=\"option\">\n<summary>\n\n{}\n\n</summary>\n\n\
         <div class=\"verdict {class}\">\n\n**{verdict}** {}\n\n</div>\n</details>\n\n",
        choice.says.trim(),
        choice.because.trim(),
    )
}

/// The one option whose check holds.
fn right_option(quiz: &Predict, sources: &Sources) -> Result<usize> {
    ensure!(quiz.option.len() > 1, "quiz `{}` has nothing to choose from", quiz.name);
    let mut right = Vec::new();
    for (index, choice) in quiz.option.iter().enumerate() {
        let holds = holds(&choice.check, sources);
        if holds.with_context(|| format!("quiz `{}`, option {}", quiz.name, index + 1))? {
            right.push(index);
        }
    }
    match right.as_slice() {
        [one] => Ok(*one),
        [] => bail!("quiz `{}`: no option holds in the golden", quiz.name),
        many => {
            let numbers: Vec<String> = many.iter().map(|index| (index + 1).to_string()).collect();
            bail!("quiz `{}`: options {} hold, one must", quiz.name, numbers.join(" and "))
        }
    }
}

/// Whether everything that `check` claims is so.
fn holds(check: &Check, sources: &Sources) -> Result<bool> {
    let scene = sources.scene(&check.scene)?;
    let golden = sources.golden(&check.scene)?;
    let trace = golden.trace();
    let claims = [
        check.trace_contains.as_ref().map(|text| trace.contains(text)),
        check.trace_lacks.as_ref().map(|text| !trace.contains(text)),
        check.stdout_is.as_ref().map(|text| golden.stdout.trim_end() == text.trim_end()),
        check.stdout_contains.as_ref().map(|text| golden.stdout.contains(text)),
        check.stderr_contains.as_ref().map(|text| golden.stderr.contains(text)),
        check.exit_is.map(|code| scene.exit == code),
    ];
    ensure!(claims.iter().any(Option::is_some), "the check claims nothing");
    Ok(claims.iter().flatten().all(|claim| *claim))
}
