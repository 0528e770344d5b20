//! What is counted for good.

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $help:literal),+ $(,)?) => {
        /// A total that survives restarts. The name is stored: never change one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Counter { $($(#[$doc])* $variant),+ }

        impl Counter {
            pub const ALL: &'static [Counter] = &[$(Counter::$variant),+];

            pub const fn name(self) -> &'static str {
                match self { $(Counter::$variant => $name),+ }
            }

            /// One line for people who read `/metrics`.
            pub const fn help(self) -> &'static str {
                match self { $(Counter::$variant => $help),+ }
            }

            pub(super) const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

counters! {
    Requests = "requests" "HTTP requests answered",
    /// Answers with a status of 500 or more.
    Errors = "errors" "HTTP requests answered with a server error",
    AiRequests = "ai_requests" "AI requests, whoever answered them",
    /// Calls to OpenAI-compatible providers, retries included.
    AiOpenaiCalls = "ai_openai_calls" "Calls to OpenAI-compatible providers",
    AiOpenaiErrors = "ai_openai_errors" "Calls to OpenAI-compatible providers that failed",
    ConsultationsBooked = "consultations_booked" "Consultations booked",
    ConsultationsRun = "consultations_run" "Consultations held",
    SupportAutoRequests = "support_auto_requests" "Support requests taken by the assistant",
    SupportAutoEscalations = "support_auto_escalations" "Support requests passed on to people",
    LifecycleTicks = "lifecycle_ticks" "Rounds of the customer lifecycle",
    PricingCtaClicks = "pricing_cta_clicks" "Clicks on a price",
    TrialFeedbackSubmissions = "trial_feedback_submissions" "Answers to the trial survey",
}

impl Counter {
    pub fn parse(name: &str) -> Option<Counter> {
        Self::ALL.iter().copied().find(|counter| counter.name() == name)
    }
}
