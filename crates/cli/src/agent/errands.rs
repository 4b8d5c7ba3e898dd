//! What hardware does for the agent: signatures of security keys and tokens, in helper processes.
//!
//! Security keys take turns, so that a touch is for one thing at a time; so do the requests to
//! one PKCS#11 library, whose helper stays for as long as keys of it are held.

use std::collections::{HashMap, VecDeque};
use std::os::fd::BorrowedFd;

use keys::PublicKey;
use keys::agent::Response;
use rustix::event::PollFlags;
use zeroize::Zeroizing;

use super::clock::Moment;
use super::confirm::{Poll, Question, Wanted};
use super::hardware::CardOffer;
use super::limits;
use crate::hardware::helper::Helper;
use crate::hardware::message::{CardKey, Failure, FailureKind, Reply, Request, Sign};
use crate::hardware::security_key::checked;
use crate::messages::info;
use crate::ui::notify::Notice;

/// What hardware is to do.
pub enum Errand {
    /// Sign by a security key.
    SecurityKey {
        /// The key.
        key: PublicKey,
        /// The name of the signature.
        algorithm: &'static str,
        /// What its helper is asked.
        request: Sign,
        /// What the user is told while the key waits for a touch.
        notice: Option<String>,
        /// What the user is asked where the key wants its PIN.
        question: String,
    },
    /// Sign by a token.
    CardSign {
        /// The library that reaches it.
        library: String,
        /// The key.
        key: PublicKey,
        /// The name of the signature.
        algorithm: String,
        /// What its helper is asked.
        request: Request,
    },
    /// Show the keys of a library's tokens.
    CardAdd {
        /// On what terms they are to be held.
        offer: CardOffer,
        /// What opens the tokens.
        pin: Option<Zeroizing<String>>,
    },
}

/// What has come of an errand.
pub enum Finished {
    /// The answer for the client.
    Answer(Response),
    /// Keys to be held, and then the answer.
    Card(CardOffer, Vec<CardKey>),
}

/// All errands, and the libraries that are loaded.
#[derive(Default)]
pub struct Errands {
    waiting: VecDeque<(u64, Errand)>,
    running: Vec<Running>,
    /// By library; those that do nothing at the moment.
    cards: HashMap<String, Helper>,
}

struct Running {
    client: u64,
    errand: Errand,
    step: Step,
    until: Moment,
}

enum Step {
    Helper(Helper, Option<Notice>),
    /// The user is asked for a PIN.
    Pin(Question),
}

impl Errand {
    /// The library whose requests take turns; nothing for security keys, which all do.
    fn turn(&self) -> Option<&str> {
        match self {
            Errand::SecurityKey { .. } => None,
            Errand::CardSign { library, .. } => Some(library),
            Errand::CardAdd { offer, .. } => Some(&offer.library),
        }
    }

    fn request(&self) -> Request {
        match self {
            Errand::SecurityKey { request, .. } => Request::Sign(request.clone()),
            Errand::CardSign {
                request: Request::SignWithCard { key, algorithm, data, .. },
                ..
            } => Request::SignWithCard {
                key: key.clone(),
                algorithm: algorithm.clone(),
                data: data.clone(),
                pin: None,
            },
            Errand::CardSign { library, .. } => {
                Request::Card { library: library.clone(), pin: None }
            }
            Errand::CardAdd { offer, pin } => {
                Request::Card { library: offer.library.clone(), pin: pin.clone() }
            }
        }
    }
}

impl Errands {
    /// Takes an errand; false when too many wait.
    pub fn push(&mut self, client: u64, errand: Errand) -> bool {
        if self.waiting.len() >= limits::ERRANDS {
            return false;
        }
        self.waiting.push_back((client, errand));
        true
    }

    /// What to wait for.
    pub fn interest(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.running.iter().filter_map(|running| match &running.step {
            Step::Helper(helper, _) => Some(helper.interest()),
            Step::Pin(question) => question.output().map(|output| (output, PollFlags::IN)),
        })
    }

    /// When the first of them has taken too long.
    pub fn next_end(&self) -> Option<Moment> {
        self.running.iter().map(|running| running.until).min()
    }

    /// Goes on with all of them: whose are done, and what came of them.
    pub fn proceed(&mut self, now: Moment, is_alive: impl Fn(u64) -> bool) -> Vec<(u64, Finished)> {
        let mut finished = Vec::new();
        self.waiting.retain(|(client, _)| is_alive(*client));
        for running in std::mem::take(&mut self.running) {
            // A touch for somebody who has gone is a touch for nobody.
            let is_wanted = running.errand.turn().is_some() || is_alive(running.client);
            if is_wanted {
                self.go_on(running, now, &mut finished);
            }
        }
        self.start_waiting(now, &mut finished);
        finished
    }

    /// Ends the helpers of libraries that no key is held of.
    pub fn retain_cards(&mut self, is_of_use: impl Fn(&str) -> bool) {
        self.cards.retain(|library, _| is_of_use(library));
    }

    fn go_on(&mut self, mut running: Running, now: Moment, finished: &mut Vec<(u64, Finished)>) {
        let client = running.client;
        let outcome = match &mut running.step {
            Step::Helper(helper, _) => helper.proceed(),
            Step::Pin(question) => match question.poll() {
                Poll::Pending => Ok(None),
                Poll::No => Err(Failure::other("no PIN was given")),
                Poll::Said(answer) => {
                    if let Errand::SecurityKey { request, .. } = &mut running.errand {
                        request.pin = Some(answer.text());
                    }
                    self.start(client, running.errand, now, finished);
                    return;
                }
            },
        };
        let reply = match outcome {
            Ok(None) if now < running.until => {
                self.running.push(running);
                return;
            }
            Ok(None) => Err(Failure::other("the hardware has not answered in time")),
            Ok(Some(Reply::Failed(failure))) if wants_pin(&running.errand, &failure) => {
                self.ask_for_pin(running, now, finished);
                return;
            }
            Ok(Some(reply)) => {
                match (running.errand.turn(), running.step) {
                    (Some(library), Step::Helper(helper, _)) => {
                        self.cards.insert(library.to_owned(), helper);
                    }
                    (None, Step::Helper(_, Some(notice))) => {
                        notice.done("User presence confirmed");
                    }
                    _ => {}
                }
                Ok(reply)
            }
            Err(failure) => Err(failure),
        };
        finished.push((client, result(running.errand, reply)));
    }

    fn ask_for_pin(&mut self, running: Running, now: Moment, finished: &mut Vec<(u64, Finished)>) {
        let Running { client, errand, step, .. } = running;
        // The notice goes before the question comes.
        drop(step);
        let Errand::SecurityKey { question, .. } = &errand else { return };
        match Question::ask(client, question, Wanted::Secret) {
            Some(asked) => {
                let until = now + limits::ERRAND_TIME;
                self.running.push(Running { client, errand, step: Step::Pin(asked), until });
            }
            None => finished.push((client, Finished::Answer(Response::Failure))),
        }
    }

    fn start_waiting(&mut self, now: Moment, finished: &mut Vec<(u64, Finished)>) {
        for (client, errand) in std::mem::take(&mut self.waiting) {
            let is_busy = self.running.iter().any(|running| running.errand.turn() == errand.turn());
            if is_busy {
                self.waiting.push_back((client, errand));
            } else {
                self.start(client, errand, now, finished);
            }
        }
    }

    fn start(
        &mut self,
        client: u64,
        errand: Errand,
        now: Moment,
        finished: &mut Vec<(u64, Finished)>,
    ) {
        let loaded = errand.turn().and_then(|library| self.cards.remove(library));
        let helper = match (loaded, &errand) {
            (Some(helper), _) => Ok(helper),
            (None, Errand::CardSign { library, .. }) => {
                Err(Failure::other(format!("{library} is no longer loaded; add it again")))
            }
            (None, Errand::CardAdd { .. }) if self.cards.len() >= limits::LIBRARIES => {
                Err(Failure::other("too many libraries are loaded"))
            }
            (None, _) => Helper::start(),
        };
        let mut helper = match helper {
            Ok(helper) => helper,
            Err(failure) => {
                finished.push((client, result(errand, Err(failure))));
                return;
            }
        };
        helper.ask(&errand.request());
        let notice = match &errand {
            Errand::SecurityKey { notice: Some(text), .. } => Some(Notice::show(text, false)),
            _ => None,
        };
        let until = now + limits::ERRAND_TIME;
        let running = Running { client, errand, step: Step::Helper(helper, notice), until };
        // The request may fit the socket at once.
        self.go_on(running, now, finished);
    }
}

fn wants_pin(errand: &Errand, failure: &Failure) -> bool {
    let has_none = matches!(errand, Errand::SecurityKey { request, .. } if request.pin.is_none());
    has_none && failure.kind == FailureKind::Pin
}

fn result(errand: Errand, reply: Result<Reply, Failure>) -> Finished {
    let failed = |failure: Failure| {
        info!("refused: {failure}");
        Finished::Answer(Response::Failure)
    };
    let signed = |key: &PublicKey, algorithm: &str, data: &[u8], signature| match checked(
        key, algorithm, data, signature,
    ) {
        Ok(signature) => Finished::Answer(Response::Signature(signature)),
        Err(failure) => failed(failure),
    };
    match (errand, reply) {
        (_, Err(failure) | Ok(Reply::Failed(failure))) => failed(failure),
        (Errand::SecurityKey { key, algorithm, request, .. }, Ok(Reply::Signed(signature))) => {
            signed(&key, algorithm, &request.data, signature)
        }
        (
            Errand::CardSign {
                key, algorithm, request: Request::SignWithCard { data, .. }, ..
            },
            Ok(Reply::Signed(signature)),
        ) => signed(&key, &algorithm, &data, signature),
        (Errand::CardAdd { offer, .. }, Ok(Reply::Card(keys))) => Finished::Card(offer, keys),
        _ => failed(Failure::other("the helper has answered something else")),
    }
}
