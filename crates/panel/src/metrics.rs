//! Counters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::time::Duration;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

#[derive(Clone, Copy, Default)]
struct Times {
    count: u64,
    seconds: f64,
    buckets: [u64; BUCKETS.len()],
}

/// What was served, by route (never by full path, which anyone can make up), method and status.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), Times>>,
}

impl Metrics {
    /// Counts one request.
    pub fn count(&self, route: &str, method: &str, status: u16, took: Duration) {
        let Ok(mut requests) = self.requests.lock() else { return };
        let times = requests.entry((route.to_owned(), method.to_owned(), status)).or_default();
        times.count += 1;
        times.seconds += took.as_secs_f64();
        for (bound, bucket) in BUCKETS.iter().zip(&mut times.buckets) {
            if took.as_secs_f64() <= *bound {
                *bucket += 1;
            }
        }
    }

    /// All of it as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "# HELP keyway_panel_info The program's version.\n\
             # TYPE keyway_panel_info gauge\n\
             keyway_panel_info{{version=\"{}\"}} 1\n\
             # HELP keyway_panel_request_seconds Time to answer, by route.\n\
             # TYPE keyway_panel_request_seconds histogram",
            env!("CARGO_PKG_VERSION")
        );
        let Ok(requests) = self.requests.lock() else { return text };
        for ((route, method, status), times) in requests.iter() {
            let labels = format!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            for (bound, count) in BUCKETS.iter().zip(times.buckets) {
                let _ = writeln!(
                    text,
                    "keyway_panel_request_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"
                );
            }
            let _ = writeln!(
                text,
                "keyway_panel_request_seconds_bucket{{{labels},le=\"+Inf\"}} {count}\n\
                 keyway_panel_request_seconds_sum{{{labels}}} {sum}\n\
                 keyway_panel_request_seconds_count{{{labels}}} {count}",
                count = times.count,
                sum = times.seconds,
            );
        }
        text
    }
}
