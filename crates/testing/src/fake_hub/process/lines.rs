use super::Process;
use crate::model::Exit;

/// The lines of a process's input: see [`Process::lines`].
#[derive(Debug)]
pub struct Lines<'a> {
    process: &'a mut Process,
    rest: Vec<u8>,
    /// The length of the part of `rest` that contains no line end.
    searched: usize,
    ended: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(process: &'a mut Process) -> Self {
        Self {
            process,
            rest: Vec::new(),
            searched: 0,
            ended: false,
        }
    }

    /// Waits for the next line, and returns it without its end. `None` is the end of the input.
    ///
    /// # Errors
    /// [`Exit::Killed`] if the process was ended.
    pub fn next_line(&mut self) -> Result<Option<String>, Exit> {
        loop {
            let mut new = self.rest.iter().skip(self.searched);
            if let Some(end) = new.position(|byte| *byte == b'\n') {
                let end = self.searched + end;
                self.searched = 0;
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line)
                    .trim_end_matches(['\r', '\n'])
                    .to_owned();
                return Ok(Some(line));
            }
            self.searched = self.rest.len();
            if self.ended {
                self.searched = 0;
                let rest = std::mem::take(&mut self.rest);
                let rest = String::from_utf8_lossy(&rest).into_owned();
                return Ok(Some(rest).filter(|rest| !rest.is_empty()));
            }
            match self.process.read()? {
                Some(chunk) => self.rest.extend(chunk),
                None => self.ended = true,
            }
        }
    }

    /// Returns the process, to write the response to a line.
    pub fn process(&mut self) -> &mut Process {
        self.process
    }
}
