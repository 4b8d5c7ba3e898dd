//! What a check has to say.

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// It was seen to be so.
    Certain,
    /// What was seen has this cause most of the time.
    Likely,
    /// One of several causes of what was seen.
    Possible,
}

impl Sure {
    /// The word for people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Sure::Certain => "certain",
            Sure::Likely => "likely",
            Sure::Possible => "possible",
        }
    }
}

/// One cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The cause's own name, which stays the same between versions: `connection-refused`.
    pub name: &'static str,
    /// The cause, in one sentence.
    pub cause: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// How sure it is.
    pub sure: Sure,
    /// Commands, or lines for a file, that mend it.
    pub mend: Vec<String>,
    /// It may be meant so: worth knowing, and nothing wrong by itself.
    pub is_notice: bool,
}

impl Finding {
    /// Without evidence or mending yet.
    pub fn new(name: &'static str, sure: Sure, cause: impl Into<String>) -> Self {
        Finding {
            name,
            cause: cause.into(),
            evidence: Vec::new(),
            sure,
            mend: Vec::new(),
            is_notice: false,
        }
    }

    /// As something that may be meant so.
    #[must_use]
    pub fn notice(mut self) -> Self {
        self.is_notice = true;
        self
    }

    /// With one more thing that was seen.
    #[must_use]
    pub fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// With more things that were seen.
    #[must_use]
    pub fn seen_all(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// With one more step that mends it.
    #[must_use]
    pub fn mend(mut self, step: impl Into<String>) -> Self {
        self.mend.push(step.into());
        self
    }
}

/// Faults before notices, the surest first; among equals the order in which they were found.
pub fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.is_notice, finding.sure));
    findings
}
