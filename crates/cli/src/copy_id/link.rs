//! Files on the other machine, one request at a time over our own ssh.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use sftp::{Attributes, Client, Event, OpenFlags, Reply, Request, RequestKind, Status, StatusCode};

/// Why something did not work.
pub enum Problem {
    /// The server says no.
    Refused(Status),
    /// There is no talking to it, or no more.
    Lost(String),
}

impl Problem {
    /// For the user; `what` was to be done.
    pub fn while_doing(self, what: &str) -> String {
        match self {
            Self::Refused(status) => format!("{what}: {}", status.message()),
            Self::Lost(why) => format!("{what}: {why}"),
        }
    }
}

fn lost(source: &io::Error) -> Problem {
    Problem::Lost(crate::text::reason(source))
}

/// A session with an SFTP server. Its end ends the session.
pub struct Link {
    client: Client,
    child: Child,
    to_server: Option<ChildStdin>,
    from_server: ChildStdout,
}

impl Link {
    /// Starts `ssh`, a command that ends in `-s HOST sftp`, and waits until the server is there.
    ///
    /// # Errors
    /// There is none, or it speaks something else.
    pub fn start(mut ssh: Command) -> Result<Self, Problem> {
        let mut child = ssh
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| lost(&source))?;
        let (to_server, from_server) = (child.stdin.take(), child.stdout.take());
        let Some(from_server) = from_server else {
            return Err(Problem::Lost("no standard output".to_owned()));
        };
        let mut link = Link { client: Client::new(), child, to_server, from_server };
        link.flush()?;
        loop {
            match link.client.poll_event() {
                Ok(Some(_)) => return Ok(link),
                Ok(None) => link.fill()?,
                Err(error) => return Err(Problem::Lost(error.to_string())),
            }
        }
    }

    /// Whether the server has requests of this kind.
    pub fn supports(&self, kind: RequestKind) -> bool {
        self.client.supports(kind)
    }

    /// Asks, and waits for the answer; `take` makes of it what is wanted.
    ///
    /// # Errors
    /// The server says no, says something else, or is gone.
    pub fn ask<T>(
        &mut self,
        request: &Request<'_>,
        take: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Result<T, Problem> {
        let asked = self.client.request(request);
        asked.map_err(|misuse| Problem::Lost(misuse.to_string()))?;
        self.flush()?;
        // Not in the way of `fill`, which the borrow of an event would be.
        let mut take = Some(take);
        loop {
            match self.client.poll_event() {
                Ok(Some(Event::Reply { reply: Reply::Status(status), .. })) => {
                    let taken = if status.code == StatusCode::Ok {
                        take.take().and_then(|take| take(Reply::Status(status.clone())))
                    } else {
                        None
                    };
                    return taken.ok_or(Problem::Refused(status));
                }
                Ok(Some(Event::Reply { reply, .. })) => {
                    let taken = take.take().and_then(|take| take(reply));
                    return taken
                        .ok_or_else(|| Problem::Lost("an answer that makes no sense".to_owned()));
                }
                Ok(Some(Event::Ready)) => {}
                Ok(None) => self.fill()?,
                Err(error) => return Err(Problem::Lost(error.to_string())),
            }
        }
    }

    /// Asks for something that has no result.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn tell(&mut self, request: &Request<'_>) -> Result<(), Problem> {
        self.ask(request, |reply| matches!(reply, Reply::Status(_)).then_some(()))
    }

    /// Attributes of a path, of a link itself unless `follow`. `None` when nothing is there.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn look_at(&mut self, path: &str, follow: bool) -> Result<Option<Attributes>, Problem> {
        let path = path.as_bytes();
        let request = if follow { Request::Stat { path } } else { Request::Lstat { path } };
        let found = self.ask(&request, |reply| match reply {
            Reply::Attributes(attributes) => Some(attributes),
            _ => None,
        });
        match found {
            Ok(attributes) => Ok(Some(attributes)),
            Err(Problem::Refused(status)) if status.code == StatusCode::NoSuchFile => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// A path without links.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn real_path(&mut self, path: &str) -> Result<String, Problem> {
        self.ask(&Request::Realpath { path: path.as_bytes() }, |reply| match reply {
            Reply::Names(names) => {
                names.only().and_then(|path| String::from_utf8(path.into()).ok())
            }
            _ => None,
        })
    }

    /// Opens a file; `mode` is that of a new one.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn open(&mut self, path: &str, flags: OpenFlags, mode: u32) -> Result<Vec<u8>, Problem> {
        let attributes =
            if flags.create { Attributes::with_permissions(mode) } else { Attributes::default() };
        let request = Request::Open { path: path.as_bytes(), flags, attributes };
        self.ask(&request, |reply| match reply {
            Reply::Handle(handle) => Some(handle.to_vec()),
            _ => None,
        })
    }

    /// All of a file.
    ///
    /// # Errors
    /// As [`Self::ask`], and when there is more than `bytes_max` of it.
    pub fn read_file(&mut self, path: &str, bytes_max: usize) -> Result<Vec<u8>, Problem> {
        let handle = self.open(path, OpenFlags::READ, 0)?;
        let mut contents = Vec::new();
        loop {
            let request = Request::Read {
                handle: &handle,
                offset: contents.len() as u64,
                length: self.client.read_bytes_max() as u32,
            };
            let part = self.ask(&request, |reply| match reply {
                Reply::Data(data) => Some(data.to_vec()),
                _ => None,
            });
            match part {
                Ok(part) if part.is_empty() => break,
                Ok(part) => contents.extend_from_slice(&part),
                Err(Problem::Refused(status)) if status.code == StatusCode::Eof => break,
                Err(problem) => return Err(problem),
            }
            if contents.len() > bytes_max {
                return Err(Problem::Lost(format!("more than {bytes_max} bytes")));
            }
        }
        self.tell(&Request::Close { handle: &handle })?;
        Ok(contents)
    }

    /// Writes to an open file.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn write(&mut self, handle: &[u8], offset: u64, data: &[u8]) -> Result<(), Problem> {
        let mut offset = offset;
        for part in data.chunks(self.client.write_bytes_max()) {
            self.tell(&Request::Write { handle, offset, data: part })?;
            offset += part.len() as u64;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Problem> {
        let Some(to_server) = &mut self.to_server else { return Ok(()) };
        let sent = to_server.write_all(self.client.output()).and_then(|()| to_server.flush());
        // Where ssh has ended, what it leaves on its standard output says so.
        if let Err(source) = sent
            && source.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(lost(&source));
        }
        self.client.sent(usize::MAX);
        Ok(())
    }

    fn fill(&mut self) -> Result<(), Problem> {
        match self.from_server.read(self.client.room()) {
            Ok(0) => Err(Problem::Lost("the connection is closed".to_owned())),
            Ok(count) => {
                self.client.received(count);
                Ok(())
            }
            Err(source) if source.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(source) => Err(lost(&source)),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The end of its input ends the server, and that ends ssh.
        self.to_server = None;
        let _ = io::copy(&mut self.from_server, &mut io::sink());
        let _ = self.child.wait();
    }
}
