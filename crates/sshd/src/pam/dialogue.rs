//! Questions of the modules, asked on one thread and answered on another.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Error, Message, Transaction, collector, is_question, questions};

/// What a [`Dialogue`] comes to.
pub enum Event {
    /// The modules speak; [`Dialogue::answer`] with one string for each question (hidden or shown) among the messages,
    /// which may be none: the modules wait all the same.
    Ask(Vec<Message>),
    /// The end: the transaction, to go on with where the result is good.
    Done(Box<Transaction>, Result<(), Error>),
}

/// An authentication in a thread of its own.
///
/// When it is dropped, the next question breaks off and the thread ends by itself; a module that is waiting for
/// something else keeps it alive until then.
pub struct Dialogue {
    events: Receiver<Event>,
    /// `None` once it is over.
    answers: Option<Sender<Vec<Zeroizing<String>>>>,
    /// How many questions the messages held that wait for an answer.
    asked: Option<usize>,
    thread: Option<JoinHandle<()>>,
}

impl Dialogue {
    /// Starts the authentication.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(mut transaction: Transaction, permit_empty: bool) -> Result<Self, Error> {
        let (event_sender, events) = channel();
        let (answers, answer_receiver) = channel();
        let thread = std::thread::Builder::new().name("pam".into()).spawn(move || {
            let asking = event_sender.clone();
            transaction.set_conversation(Box::new(move |messages| {
                converse_over(messages, &asking, &answer_receiver)
            }));
            let outcome = transaction.authenticate(permit_empty);
            let text = Arc::clone(&transaction.text);
            transaction.set_conversation(collector(text));
            // Nobody listens any more when the peer is gone.
            let _ = event_sender.send(Event::Done(Box::new(transaction), outcome));
        })?;
        Ok(Self { events, answers: Some(answers), asked: None, thread: Some(thread) })
    }

    /// Waits for what comes next. `None` when the time is up first.
    ///
    /// # Errors
    /// When the thread ended without a result.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>, Error> {
        match self.events.recv_timeout(timeout) {
            Ok(Event::Ask(messages)) => {
                self.asked = Some(questions(&messages).count());
                Ok(Some(Event::Ask(messages)))
            }
            Ok(done) => {
                self.answers = None;
                if let Some(thread) = self.thread.take() {
                    // It has nothing left to do; its result is here already.
                    let _ = thread.join();
                }
                Ok(Some(done))
            }
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Error::BrokenOff),
        }
    }

    /// Answers the questions of the last [`Event::Ask`], in order; with nothing where it held no question. A wrong
    /// number of answers breaks the dialogue off; RFC 4256 §3.4 makes that a failure.
    ///
    /// # Errors
    /// When nothing was asked, or the number is wrong.
    pub fn answer(&mut self, answers: Vec<Zeroizing<String>>) -> Result<(), Error> {
        if self.asked.take() != Some(answers.len()) {
            self.answers = None;
            return Err(Error::BrokenOff);
        }
        let sender = self.answers.as_ref().ok_or(Error::BrokenOff)?;
        sender.send(answers).map_err(|_| Error::BrokenOff)
    }
}

/// In the thread: hands the messages over and waits for the answers to those that are questions.
fn converse_over(
    messages: &[Message],
    events: &Sender<Event>,
    answers: &Receiver<Vec<Zeroizing<String>>>,
) -> Option<Vec<Zeroizing<String>>> {
    events.send(Event::Ask(messages.to_vec())).ok()?;
    let mut answers = answers.recv().ok()?.into_iter();
    messages
        .iter()
        .map(
            |message| {
                if is_question(message) { answers.next() } else { Some(Zeroizing::default()) }
            },
        )
        .collect()
}
