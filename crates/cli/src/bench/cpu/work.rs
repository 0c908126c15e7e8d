use serde::Serialize;

/// What a thread does. The names are part of the wire contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// All that is asynchronous: sessions with their engines, links, gRPC, HTTP.
    Tasks,
    /// What is handed to threads that may wait.
    Blocking,
    /// The pool for long computations.
    Crypto,
    IntentLog,
    AuditLog,
    /// The journal of new shares: written, and emptied into files.
    Journal,
    /// Bans, states of pairs, index of shares.
    OtherLogs,
    StoreWriter,
    StoreReaders,
    /// The first thread of the process.
    Main,
    /// Threads without a name that is known here.
    Other,
    /// What the process used and no thread that still runs did.
    EndedThreads,
}

impl Work {
    /// What a thread of this name does. The names are those that threads are spawned with, of
    /// which Linux keeps 15 bytes.
    pub(super) fn of(thread: &str) -> Self {
        match thread {
            "quorate-tasks" => Self::Tasks,
            "quorate-block" => Self::Blocking,
            "quorate-crypto" => Self::Crypto,
            "log-intents" => Self::IntentLog,
            "log-audit" => Self::AuditLog,
            "log-journal" | "quorate-journal" => Self::Journal,
            "store-writer" => Self::StoreWriter,
            "store-reader" => Self::StoreReaders,
            log if log.starts_with("log-") => Self::OtherLogs,
            _ => Self::Other,
        }
    }

    /// For people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Blocking => "blocking",
            Self::Crypto => "crypto",
            Self::IntentLog => "intent log",
            Self::AuditLog => "audit log",
            Self::Journal => "journal",
            Self::OtherLogs => "other logs",
            Self::StoreWriter => "store writer",
            Self::StoreReaders => "store readers",
            Self::Main => "main",
            Self::Other => "other",
            Self::EndedThreads => "ended threads",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread__should_belong_to_the_work_that_its_name_tells() {
        for (name, work) in [
            ("quorate-tasks", Work::Tasks),
            ("quorate-block", Work::Blocking),
            ("quorate-crypto", Work::Crypto),
            ("log-intents", Work::IntentLog),
            ("log-audit", Work::AuditLog),
            ("log-journal", Work::Journal),
            ("quorate-journal", Work::Journal),
            ("log-pairs", Work::OtherLogs),
            ("log-bans", Work::OtherLogs),
            ("store-writer", Work::StoreWriter),
            ("store-reader", Work::StoreReaders),
        ] {
            assert_eq!(Work::of(name), work, "{name}");
            assert!(name.len() <= 15, "{name}");
        }
    }

    #[test]
    fn thread__should_be_other_work_if_its_name_is_not_known() {
        for name in ["", "tokio-rt-worker", "quorate-pool", "store", "logs"] {
            assert_eq!(Work::of(name), Work::Other, "{name}");
        }
    }

    #[test]
    fn work__should_be_called_the_same_in_both_outputs() {
        for work in [Work::Tasks, Work::IntentLog, Work::EndedThreads] {
            let json = serde_json::to_value(work).unwrap();
            assert_eq!(json, work.label().replace(' ', "_"));
        }
    }
}
