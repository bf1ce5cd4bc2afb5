//! What a binding refuses: a sentence, what it is about, and whose fault it is.
//!
//! A fault travels through Rhai as the value of a runtime error, so a script may catch
//! it (`try { … } catch (error) { print(error) }`), and one that is not caught keeps
//! what the diagnostic needs: the word the caret belongs under, and the exit code.

use rhai::{Dynamic, EvalAltResult, Position};

use crate::{
    backend::BackendError,
    facts::{FactError, Whose},
    filter::Refusal,
    probe::{SpecError, aggregation::AggregationError, param::ParamError, scope::ScopeError},
    values::{CodeError, DurationError, RateError, SeverityError},
};

/// Who has to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The script: exit code 1.
    Script,
    /// The kernel, or this host's configuration of it: exit code 3.
    Environment,
}

/// What a function of the scripts' API returns.
pub type Fallible<T> = Result<T, Box<EvalAltResult>>;

#[derive(Debug, Clone)]
pub struct Fault {
    pub text: String,
    pub cause: Cause,
    /// The word of the script that it is about, if there is one.
    pub about: Option<String>,
    /// Where exactly, if that is known.
    pub place: Option<Place>,
    /// What to do, if that is not in the text.
    pub advice: Option<String>,
}

/// A place in the text of one of the script's functions.
#[derive(Debug, Clone)]
pub struct Place {
    pub function: String,
    pub position: Position,
}

impl Fault {
    pub fn script(text: impl ToString) -> Self {
        Fault { text: text.to_string(), cause: Cause::Script, about: None, place: None, advice: None }
    }

    pub fn environment(text: impl ToString) -> Self {
        Fault { cause: Cause::Environment, ..Self::script(text) }
    }

    #[must_use]
    pub fn about(mut self, word: impl ToString) -> Self {
        self.about = Some(word.to_string());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Fault> for Box<EvalAltResult> {
    fn from(fault: Fault) -> Self {
        EvalAltResult::ErrorRuntime(Dynamic::from(fault), Position::NONE).into()
    }
}

impl From<BackendError> for Fault {
    fn from(error: BackendError) -> Self {
        Fault { about: error.about, ..Fault::environment(error.text) }
    }
}

impl From<FactError> for Fault {
    fn from(error: FactError) -> Self {
        let cause = match error.whose {
            Whose::Script => Cause::Script,
            Whose::System | Whose::Stopped => Cause::Environment,
        };
        Fault { cause, about: error.about, advice: error.advice, ..Fault::script(error.text) }
    }
}

impl From<ParamError> for Fault {
    fn from(error: ParamError) -> Self {
        let about = match &error {
            ParamError::Unknown { given, .. }
            | ParamError::Relative { given, .. }
            | ParamError::Variable { given, .. }
            | ParamError::Name { given, .. }
            | ParamError::Network { given, .. }
            | ParamError::Port { given, .. }
            | ParamError::UnknownFlag { given, .. }
            | ParamError::Newline { given, .. }
            | ParamError::NotPlain { given, .. }
            | ParamError::Directory { given, .. }
            | ParamError::Pattern { given, .. } => given,
            ParamError::Type { param, .. }
            | ParamError::Empty { param }
            | ParamError::EmptyText { param }
            | ParamError::TooLong { param, .. }
            | ParamError::TooMany { param, .. }
            | ParamError::Nul { param } => param,
        };
        let about = about.clone();
        Fault::script(error).about(about)
    }
}

impl From<AggregationError> for Fault {
    fn from(error: AggregationError) -> Self {
        Fault { about: error.about(), ..Fault::script(error) }
    }
}

impl From<ScopeError> for Fault {
    fn from(error: ScopeError) -> Self {
        let about = match &error {
            ScopeError::UnknownKey { given, .. } => given.clone(),
            ScopeError::Empty { key } | ScopeError::Type { key, .. } | ScopeError::Text { key } => {
                key.to_string()
            }
            ScopeError::RelativeCgroup(given)
            | ScopeError::Relative { given, .. }
            | ScopeError::Newline { given, .. }
            | ScopeError::LongComm { given, .. }
            | ScopeError::NotPlain { given, .. }
            | ScopeError::Directory { given, .. }
            | ScopeError::Pattern { given, .. } => given.clone(),
            ScopeError::LongPart { key, .. } => key.to_string(),
            ScopeError::Account { error, .. } => error.given.clone(),
            ScopeError::Nobody(kind) => kind.to_string(),
        };
        Fault::script(error).about(about)
    }
}

impl From<CodeError> for Fault {
    fn from(error: CodeError) -> Self {
        let about = match &error {
            CodeError::Errno { given, .. } | CodeError::Signal { given, .. } => given.clone(),
        };
        Fault::script(error).about(about)
    }
}

impl From<DurationError> for Fault {
    fn from(error: DurationError) -> Self {
        let about = match &error {
            DurationError::Malformed { given, .. } | DurationError::TooLong { given } => Some(given.clone()),
            DurationError::Zero => None,
        };
        Fault { about, ..Fault::script(error) }
    }
}

impl From<RateError> for Fault {
    fn from(error: RateError) -> Self {
        let given = error.given.clone();
        Fault::script(error).about(given)
    }
}

impl From<SeverityError> for Fault {
    fn from(error: SeverityError) -> Self {
        let given = error.given.clone();
        Fault::script(error).about(given)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let place = Place { function: refusal.function, position: refusal.position };
        Fault { advice: refusal.advice, place: Some(place), ..Fault::script(refusal.text) }
    }
}

impl From<SpecError> for Fault {
    fn from(error: SpecError) -> Self {
        Fault::script(error)
    }
}
