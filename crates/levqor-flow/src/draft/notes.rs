//! What must be said to the person who asked, beside the workflow.

/// Warnings and questions, in the order of the request, each once.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    pub warnings: Vec<String>,
    pub questions: Vec<String>,
}

impl Notes {
    pub fn warn(&mut self, text: String) {
        if !self.warnings.contains(&text) {
            self.warnings.push(text);
        }
    }

    pub fn ask(&mut self, text: String) {
        if !self.questions.contains(&text) {
            self.questions.push(text);
        }
    }
}
