//! How far a long command is: a bar on a terminal, lines on standard error in a pipe or under a batch
//! system. What is over in two seconds says nothing.

use super::terminal;
use crate::train::{Finished, Progress, Setting};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// Nobody has to be told about less.
const QUIET: Duration = Duration::from_secs(2);
/// Between two lines about a file.
const READING: Duration = Duration::from_secs(10);
/// The longest silence about runs, and about epochs.
const SILENCE: Duration = Duration::from_secs(30);
/// With more runs a line is a method's.
const MOST_LINES: usize = 64;

/// Lines on standard error, if that is no terminal.
struct Lines {
    begin: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When the last line was printed.
    last: Option<Duration>,
    /// Lines that wait until it is clear that somebody has to.
    waiting: Vec<String>,
    /// Runs or epochs that are over, and all of them.
    done: usize,
    all: usize,
    /// Teachers among those that are ahead.
    teachers: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            begin: Instant::now(),
            state: Mutex::default(),
        }
    }
}

impl Lines {
    /// The state; a thread that panicked has left it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether the last line, or the beginning, is so long ago, and the command no short one.
    fn is_due(&self, state: &State, pause: Duration) -> bool {
        let elapsed = self.begin.elapsed();
        elapsed >= QUIET && state.last.is_none_or(|last| elapsed >= last + pause)
    }

    /// Prints what waits, if it is time.
    fn flush(&self, state: &mut State) {
        if self.begin.elapsed() < QUIET || state.waiting.is_empty() {
            return;
        }
        for line in state.waiting.drain(..) {
            terminal::progress(line);
        }
        state.last = Some(self.begin.elapsed());
    }

    fn print(&self, state: &mut State, line: String) {
        state.waiting.push(line);
        self.flush(state);
    }

    fn seconds(&self) -> u64 {
        self.begin.elapsed().as_secs()
    }
}

fn is_terminal() -> bool {
    io::stderr().is_terminal()
}

fn bar(length: usize, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How far the reading of a long file is.
#[derive(Default)]
pub(super) struct Reading {
    bar: OnceLock<ProgressBar>,
    lines: Lines,
}

impl Reading {
    /// Below so many bytes nobody has to wait.
    const LONG: u64 = 1 << 24;

    pub(super) fn show(&self, bytes: u64) {
        if bytes < Self::LONG {
            return;
        }
        if is_terminal() {
            let bar = || bar(0, "reading, {bytes} so far, {elapsed}");
            self.bar.get_or_init(bar).set_position(bytes);
            return;
        }
        let state = &mut self.lines.state();
        if self.lines.is_due(state, READING) {
            let line = format!("reading, {} MiB so far", bytes >> 20);
            self.lines.print(state, line);
        }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

/// How many runs of a comparison are made.
#[derive(Default)]
pub(super) struct Runs {
    reading: Reading,
    bar: OnceLock<ProgressBar>,
    lines: Lines,
    /// Which comparison, where there are several.
    of: Option<&'static str>,
}

impl Runs {
    pub(super) fn of(comparison: Option<&'static str>) -> Self {
        Self {
            of: comparison,
            ..Self::default()
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        if let Progress::Reading { bytes } = progress {
            return self.reading.show(bytes);
        }
        if let Progress::Begin { .. } = progress {
            self.reading.clear();
        }
        match is_terminal() {
            true => self.draw(progress),
            false => self.say(progress),
        }
    }

    fn draw(&self, progress: Progress) {
        const STYLE: &str = "{bar:30} {pos}/{len} runs, {elapsed} elapsed, about {eta} to go";
        match progress {
            Progress::Begin { teachers, students } => {
                let bar = self.bar.get_or_init(|| bar(teachers + students, STYLE));
                bar.tick();
            }
            Progress::Teacher | Progress::Student(_) => {
                self.bar.get().inspect(|bar| bar.inc(1));
            }
            _ => {}
        }
    }

    fn say(&self, progress: Progress) {
        let state = &mut self.lines.state();
        let what = match progress {
            Progress::Begin { teachers, students } => {
                (state.all, state.teachers) = (teachers + students, teachers);
                return;
            }
            Progress::Teacher => {
                state.done += 1;
                state.teachers = state.teachers.saturating_sub(1);
                (state.teachers == 0).then(|| "teachers finished".to_owned())
            }
            Progress::Student(run) => {
                state.done += 1;
                match state.all <= MOST_LINES {
                    true => Some(described(&run)),
                    false => (run.left == 0).then(|| format!("{} finished", run.method)),
                }
            }
            _ => None,
        };
        let is_due = self.lines.is_due(state, SILENCE) && self.lines.begin.elapsed() >= SILENCE;
        if what.is_some() || is_due {
            let of = self.of.map_or(String::new(), |of| format!("{of}: "));
            let what = what.unwrap_or_else(|| "training".to_owned());
            let (done, all, seconds) = (state.done, state.all, self.lines.seconds());
            let line = format!("{of}{what} ({done} of {all} runs, {seconds} s)");
            self.lines.print(state, line);
        }
        self.lines.flush(state);
    }

    pub(super) fn clear(&self) {
        self.reading.clear();
        self.bar.get().inspect(|bar| bar.finish_and_clear());
    }
}

fn described(run: &Finished) -> String {
    let validation = match run.validation_accuracy {
        share if share.is_finite() => format!("validation {:.1} %", 100.0 * share),
        _ => "diverged".to_owned(),
    };
    let (method, rate, seed) = (run.method, run.learning_rate, run.seed);
    format!("{method}, learning rate {rate}, seed {seed}: {validation}")
}

/// How many epochs of a run are over: the teacher's, then the student's.
pub(super) struct Epochs {
    reading: Reading,
    bar: ProgressBar,
    lines: Lines,
    /// The teacher's, and the student's.
    epochs: [usize; 2],
}

impl Epochs {
    pub(super) fn of(setting: &Setting) -> Self {
        const STYLE: &str = "{bar:30} {pos}/{len} epochs, {elapsed} elapsed, about {eta} to go";
        let data = &setting.data;
        let given = data.teacher_logits.is_some() || data.teacher_probabilities.is_some();
        let of_teacher = if given { 0 } else { setting.teacher.epochs };
        let epochs = [of_teacher, setting.student.epochs];
        let lines = Lines::default();
        lines.state().teachers = 1;
        Self {
            reading: Reading::default(),
            bar: bar(epochs.iter().sum(), STYLE),
            lines,
            epochs,
        }
    }

    pub(super) fn show(&self, progress: Progress) {
        if let Progress::Reading { bytes } = progress {
            return self.reading.show(bytes);
        }
        match progress {
            Progress::Epoch if is_terminal() => self.bar.inc(1),
            Progress::Epoch => self.say(),
            Progress::Teacher => {
                let state = &mut self.lines.state();
                (state.done, state.teachers) = (0, 0);
            }
            _ => {
                self.reading.clear();
                self.bar.tick();
            }
        }
    }

    /// A line per tenth of the epochs, and sooner where they are long.
    fn say(&self) {
        let state = &mut self.lines.state();
        let (who, all) = match state.teachers {
            0 => ("student", self.epochs[1]),
            _ => ("teacher", self.epochs[0]),
        };
        let tenth = |epochs: usize| epochs * 10 / all.max(1);
        let is_tenth = tenth(state.done + 1) > tenth(state.done);
        state.done += 1;
        let is_long = self.lines.is_due(state, SILENCE) && self.lines.begin.elapsed() >= SILENCE;
        // What is over before anybody waits is not said later.
        if (is_tenth || is_long) && self.lines.begin.elapsed() >= QUIET {
            let (done, seconds) = (state.done, self.lines.seconds());
            let line = format!("{who}: epoch {done} of {all} ({seconds} s)");
            self.lines.print(state, line);
        }
    }

    pub(super) fn clear(&self) {
        self.reading.clear();
        self.bar.finish_and_clear();
    }
}
