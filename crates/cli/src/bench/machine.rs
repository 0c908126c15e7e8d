use serde::Serialize;

/// What the numbers were measured on.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    cpu_model: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    architecture: &'static str,
}

impl Machine {
    /// This one.
    pub(super) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Self {
            cpu_model: field(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores,
            memory_mib: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
                .map_or(0, |kib| kib / 1_024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            architecture: std::env::consts::ARCH,
        }
    }

    pub(super) fn one_line(&self) -> String {
        let Self {
            cpu_model,
            cores,
            memory_mib,
            kernel,
            architecture,
        } = self;
        format!("{cpu_model}, {cores} cores, {memory_mib} MiB, Linux {kernel} {architecture}")
    }
}

/// The value of the first line `name: value`.
fn field(text: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field__should_be_that_of_the_first_line_with_the_name() {
        let text = "processor\t: 0\nmodel name\t: Fast CPU\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name").as_deref(), Some("Fast CPU"));
        assert_eq!(field(text, "model"), None);
        assert!(Machine::here().cores > 0);
    }
}
