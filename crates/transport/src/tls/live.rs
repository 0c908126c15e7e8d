//! Files in use, read again when they change (Spec 7).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls_pki_types::UnixTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use super::error::TlsError;
use super::files::TlsFiles;
use super::limits::{RECHECK_INTERVAL, RELOAD_INTERVAL};
use super::material::Material;
use super::open_connections::OpenConnections;

/// A file that was changed so shortly before it was read may have changed again since, with the
/// same time stamp; it is read once more.
const RACY: Duration = Duration::from_secs(1);

/// The files of one process, and what they hold now.
pub(super) struct Live {
    files: TlsFiles,
    current: ArcSwap<Material>,
    pub(super) open: OpenConnections,
    tried: Mutex<Tried>,
}

struct Tried {
    stamps: Vec<Option<Stamp>>,
    at: SystemTime,
    rechecked: Instant,
}

/// What changes when a file is written or replaced.
#[derive(Clone, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
    inode: u64,
}

/// Checks an open connection again, with the files of now.
pub(super) type Recheck = dyn Fn(&Material, UnixTime) + Send + Sync;

impl Live {
    /// Reads the files.
    pub(super) fn read(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let stamps = stamps(files);
        let at = SystemTime::now();
        let material = Material::read(files, UnixTime::now())?;
        material.export_dates();
        Ok(Arc::new(Self {
            files: files.clone(),
            current: ArcSwap::from_pointee(material),
            open: OpenConnections::default(),
            tried: Mutex::new(Tried {
                stamps,
                at,
                rechecked: Instant::now(),
            }),
        }))
    }

    /// What the files hold now.
    pub(super) fn material(&self) -> Arc<Material> {
        self.current.load_full()
    }

    /// Spec 7.1: reads all files again; whether something new came of it. What cannot be used
    /// changes nothing: the set before stays in use.
    ///
    /// # Errors
    /// [`TlsError`].
    pub(super) fn reload(&self) -> Result<bool, TlsError> {
        let mut tried = self.tried.lock();
        tried.stamps = stamps(&self.files);
        tried.at = SystemTime::now();
        let new = Material::read(&self.files, UnixTime::now())?;
        let before = self.material();
        if new.same_as(&before) {
            return Ok(false);
        }
        new.check_follows(&before)?;
        new.export_dates();
        self.current.store(Arc::new(new));
        Ok(true)
    }

    fn looks_changed(&self) -> bool {
        let tried = self.tried.lock();
        let now = stamps(&self.files);
        let racy = |stamp: &Option<Stamp>| {
            let Some(stamp) = stamp else { return false };
            let age = tried.at.duration_since(stamp.modified);
            age.is_ok_and(|age| age < RACY) || age_is_negative(tried.at, stamp.modified)
        };
        now != tried.stamps || now.iter().any(racy)
    }

    fn refresh(&self, asked: bool, recheck: &Recheck) {
        let mut changed = false;
        if asked || self.looks_changed() {
            match self.reload() {
                Ok(false) => {}
                Ok(true) => {
                    changed = true;
                    tracing::info!("certificates and revocation lists were replaced");
                    metrics::counter!("quorate_tls_reloads_total", "result" => "ok").increment(1);
                }
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "changed TLS files cannot be used; those before stay in use");
                    metrics::counter!("quorate_tls_reloads_total", "result" => "failed")
                        .increment(1);
                }
            }
        }
        let due = self.tried.lock().rechecked.elapsed() >= RECHECK_INTERVAL;
        if changed || asked || due {
            self.tried.lock().rechecked = Instant::now();
            recheck(&self.material(), UnixTime::now());
        }
    }
}

/// Spec 7: looks at the files at every interval and at SIGHUP, until dropped.
pub(super) fn keep_fresh(live: Arc<Live>, recheck: Arc<Recheck>) -> AbortOnDropHandle<()> {
    let watch = async move {
        // Without the signal the interval remains.
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(RELOAD_INTERVAL) => false,
                () = asked(&mut hangup) => true,
            };
            let (live, recheck) = (Arc::clone(&live), Arc::clone(&recheck));
            let refreshed = tokio::task::spawn_blocking(move || live.refresh(asked, &*recheck));
            if refreshed.await.is_err() {
                tracing::error!("looking at the TLS files failed");
            }
        }
    };
    AbortOnDropHandle::new(tokio::spawn(watch))
}

async fn asked(hangup: &mut Option<tokio::signal::unix::Signal>) {
    match hangup {
        Some(hangup) => drop(hangup.recv().await),
        None => std::future::pending().await,
    }
}

fn age_is_negative(read: SystemTime, modified: SystemTime) -> bool {
    // A clock that was set back: the file would look unchanged for as long.
    modified > read
}

fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let fixed = [&files.certificate, &files.key, &files.ca];
    let all = fixed.into_iter().chain(&files.crls);
    all.map(|path| stamp(path)).collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp {
        modified: metadata.modified().ok()?,
        length: metadata.len(),
        inode: metadata.ino(),
    })
}

/// An error with its causes: the last one often says what is wrong.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
