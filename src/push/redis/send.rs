//! Sends commands in pipelines and interprets their answers.

use std::collections::HashSet;

use redis::{
    Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value, cmd,
    from_redis_value,
};

use super::error::{self, Error, Problem};
use super::message::{Message, number_text};
use super::{Pusher, source};

/// Sources in one pipeline.
const PIPELINE: usize = 500;
/// Seconds for which contexts are kept, as in aka-stats.
const TWO_WEEKS: u64 = 1_209_600;
/// Seconds for which a state is kept.
const FOUR_WEEKS: u64 = 2 * TWO_WEEKS;

/// The script, which documents its keys and arguments.
pub(super) const SCRIPT: &str = include_str!("push.lua");
/// Keys of a label, in the script's order, after its state, the folded files and the index.
const KEYS: [&str; 10] = [
    "COUNT",
    "TOTAL",
    "TOTAL_SQ",
    "AVG",
    "STDEV",
    "MIN",
    "MAX",
    "LAST",
    "LAST_TIME",
    "HISTORY",
];

impl Pusher {
    fn key(&self, name: &str) -> String {
        format!("{}::{name}", self.namespace)
    }

    /// Returns whether the server has the last round of this pusher. It does not if it was restarted from an old
    /// dump, or replaced by a replica that was behind.
    pub(super) fn is_as_it_was(&mut self) -> Result<bool, Error> {
        let mut get = cmd("GET");
        get.arg(self.key(&self.marker));
        let round: Option<u64> = self.one(&get)?;
        Ok(round == Some(self.round))
    }

    /// Stores the number of this round, after all of its other writes.
    pub(super) fn mark(&mut self) -> Result<(), Error> {
        let mut set = cmd("SET");
        set.arg(self.key(&self.marker))
            .arg(self.round + 1)
            .arg("EX")
            .arg(FOUR_WEEKS);
        let () = self.one(&set)?;
        self.round += 1;
        Ok(())
    }

    /// Adds files to the set of folded files, before the retired file that names them is pushed.
    pub(super) fn send_folded(&mut self, files: &[String], now: u64) -> Result<(), Error> {
        if files.is_empty() {
            return Ok(());
        }
        let key = self.key("MMSTATS-FOLDED");
        for files in files.chunks(PIPELINE) {
            let mut add = cmd("ZADD");
            add.arg(&key);
            for file in files {
                add.arg(now).arg(file);
            }
            let _: u64 = self.one(&add)?;
        }
        let mut prune = cmd("ZREMRANGEBYSCORE");
        prune
            .arg(&key)
            .arg("-inf")
            .arg(now.saturating_sub(FOUR_WEEKS));
        let _: u64 = self.one(&prune)?;
        let mut expire = cmd("EXPIRE");
        expire.arg(&key).arg(FOUR_WEEKS);
        let _: u64 = self.one(&expire)?;
        Ok(())
    }

    fn one<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Error> {
        let mut pipeline = Pipeline::new();
        pipeline.add_command(command.clone());
        let answer = self.query(&pipeline)?.pop();
        answer.expect("one for each command").map_err(|error| {
            Error::of_answer(&error).unwrap_or_else(|| Error::Refused {
                message: error.to_string(),
                remedy: "remove the key, or choose another namespace",
            })
        })
    }

    /// Sends messages. Those that were accepted are known from now on.
    pub(super) fn send(
        &mut self,
        messages: Vec<Message>,
        day: u64,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Error> {
        let mut contexts = HashSet::new();
        for messages in messages.chunks(PIPELINE) {
            self.send_contexts(messages, &mut contexts)?;
            let answers = self.run(messages, day)?;
            for (message, answer) in messages.iter().zip(answers) {
                match answer.as_deref() {
                    Ok("unnamed") => problems.push(Problem {
                        label: message.label.clone(),
                        problem: "more than 1024 files were folded since the last push: what was \
                                  pushed of some may count twice: push more often"
                            .to_owned(),
                    }),
                    // Another pusher has sent a later state. So what Redis has is not known, and the message is sent
                    // again.
                    Ok("stale" | "folded") => continue,
                    Ok(_) => {}
                    Err(refusal) => {
                        if let Some(error) = Error::of_answer(refusal) {
                            return Err(error);
                        }
                        problems.push(Problem {
                            label: message.label.clone(),
                            problem: error::of_label(refusal),
                        });
                        continue;
                    }
                }
                let file = &message.source[..source::FILE];
                let known = self.known.entry(file.to_owned()).or_default();
                let before = known.get(&message.source).copied().unwrap_or_default();
                known.insert(message.source.clone(), message.known(before));
            }
        }
        Ok(())
    }

    /// Sends the contexts, before the entries that refer to them.
    fn send_contexts(
        &mut self,
        messages: &[Message],
        sent: &mut HashSet<String>,
    ) -> Result<(), Error> {
        let mut pipeline = Pipeline::new();
        for (id, content) in messages.iter().flat_map(|message| &message.contexts) {
            if sent.insert(id.clone()) {
                let key = self.key(&format!("CONTEXTS::{id}"));
                pipeline.add_command(cmd("SET"));
                pipeline.arg(key).arg(&**content).arg("EX").arg(TWO_WEEKS);
            }
        }
        if pipeline.cmd_iter().next().is_none() {
            return Ok(());
        }
        let answers: Vec<RedisResult<Value>> = self.query(&pipeline)?;
        match answers.into_iter().find_map(Result::err) {
            Some(error) => Err(Error::of_answer(&error).unwrap_or(Error::Connection(error))),
            None => Ok(()),
        }
    }

    /// Runs the script for each message.
    fn run(&mut self, messages: &[Message], day: u64) -> Result<Vec<RedisResult<String>>, Error> {
        let mut pipeline = Pipeline::new();
        for message in messages {
            pipeline.add_command(self.command(message, day, false));
        }
        let mut answers: Vec<RedisResult<String>> = self.query(&pipeline)?;
        let is_unknown = |answer: &RedisResult<String>| {
            let kind = answer.as_ref().err().map(RedisError::kind);
            kind == Some(ErrorKind::Server(ServerErrorKind::NoScript))
        };
        let again: Vec<usize> = (0..answers.len())
            .filter(|&index| is_unknown(&answers[index]))
            .collect();
        if again.is_empty() {
            return Ok(answers);
        }
        let mut pipeline = Pipeline::new();
        for (place, &index) in again.iter().enumerate() {
            // The first command contains the script.
            pipeline.add_command(self.command(&messages[index], day, place == 0));
        }
        let repeated: Vec<RedisResult<String>> = self.query(&pipeline)?;
        for (index, answer) in again.into_iter().zip(repeated) {
            answers[index] = answer;
        }
        Ok(answers)
    }

    /// Returns all answers; an error only if the connection failed, which is then dropped. Unlike `Pipeline::query`,
    /// it does not wait for further answers after one has timed out.
    fn query<T: FromRedisValue>(
        &mut self,
        pipeline: &Pipeline,
    ) -> Result<Vec<RedisResult<T>>, Error> {
        let mut connection = self.connection.take().ok_or(Error::NoConnection)?;
        let mut query = || {
            connection.send_packed_command(&pipeline.get_packed_pipeline())?;
            let wanted = pipeline.cmd_iter().count();
            let mut answers = Vec::with_capacity(wanted);
            while answers.len() < wanted {
                match connection.recv_response()? {
                    Value::Push { .. } => {}
                    Value::ServerError(error) => answers.push(Err(error.into())),
                    value => answers.push(from_redis_value(value).map_err(RedisError::from)),
                }
            }
            Ok(answers)
        };
        let answers = query().map_err(Error::Connection)?;
        self.connection = Some(connection);
        Ok(answers)
    }

    fn command(&self, message: &Message, day: u64, whole: bool) -> Cmd {
        let mut command = if whole {
            let mut command = cmd("EVAL");
            command.arg(SCRIPT);
            command
        } else {
            let mut command = cmd("EVALSHA");
            command.arg(self.script.get_hash());
            command
        };
        let (namespace, label) = (&self.namespace, &message.label);
        command.arg(3 + KEYS.len());
        command.arg(format!("{namespace}::MMSTATS::{label}"));
        command
            .arg(self.key("MMSTATS-FOLDED"))
            .arg(self.key("INDEX"));
        for key in KEYS {
            command.arg(format!("{namespace}::{key}::{label}"));
        }
        let numbers = &message.numbers;
        command
            .arg(&message.source)
            .arg(label)
            .arg(u8::from(message.is_retired))
            .arg(message.version)
            .arg(day)
            .arg(self.history_size)
            .arg(numbers.count)
            .arg(number_text(numbers.total))
            .arg(number_text(numbers.squares))
            .arg(number_text(numbers.min))
            .arg(number_text(numbers.max))
            .arg(numbers.last.map_or(String::new(), number_text))
            .arg(format!("{:.6}", numbers.last_time));
        for (number, entry) in &message.entries {
            command.arg(*number).arg(entry);
        }
        command
    }
}
