//! Two builds of the CPU engine in turns: see `run` in this folder.
//!
//! Both work on the same memory, so that neither has the luckier addresses. As addresses decide up to a tenth
//! of the time all the same, they are drawn anew every few pairs, and several processes run one after the other.

use half::bf16;
use std::process::Command;
use std::time::Instant;

/// Processes, places in memory for each of them, and pairs for each place.
const PROCESSES: usize = 5;
const PLACES: usize = 8;
const PAIRS: usize = 4;
/// What each half of a pair takes.
const SECONDS: f64 = 0.006;

const SHAPES: [(usize, usize); 4] = [(256, 10), (1024, 100), (1024, 1000), (128, 32000)];

/// The batch of both engines.
struct Place<E> {
    rows: usize,
    student: Vec<E>,
    teacher: Vec<E>,
    gradient: Vec<E>,
    workspace: Vec<u8>,
    labels: Vec<i32>,
    /// Where each of the first four begins.
    starts: [usize; 4],
}

/// The engine of one of the builds.
macro_rules! engine {
    ($name:ident $module:ident) => {
        mod $module {
            use $name::cpu::{Batch, Element, Isa, Options, Parallelism, Plan};
            use $name::spec::{LossSpec, Preset, Revision, RowStats, Temperature};

            pub struct Engine(Plan, Vec<RowStats>);

            impl Engine {
                /// None where the processor lacks the instructions.
                pub fn new(isa: &str, preset: &str, rows: usize, classes: usize) -> Option<Self> {
                    let isa = Isa::ALL.into_iter().find(|known| known.name() == isa);
                    let options = Options::default().isa(isa.expect("no such instruction set"));
                    let spec = match preset.split_once('@') {
                        None => Preset::from_name(preset).expect("a preset").spec(),
                        // Its preset has τ = 4.
                        Some(("lr", tau)) => LossSpec::builder()
                            .revision(Revision::LabelRevision { eta: 0.8 })
                            .temperature(Temperature::Fixed(tau.parse().expect("lr@TAU")))
                            .weights(0.9, 0.1)
                            .build()
                            .expect("a loss"),
                        Some(_) => panic!("{preset}: only lr@TAU takes a temperature"),
                    };
                    let plan = Plan::new(&spec, classes, options).ok()?;
                    Some(Self(plan, vec![RowStats::default(); rows]))
                }

                pub fn workspace_bytes(&self) -> usize {
                    self.0.workspace_bytes(self.1.len(), Parallelism::Serial)
                }

                /// Seconds per call.
                pub fn time<E: Element>(
                    &mut self,
                    place: &mut super::Place<E>,
                    calls: usize,
                ) -> f64 {
                    let [s, t, g, w] = place.starts;
                    let start = std::time::Instant::now();
                    for _ in 0..calls {
                        let (s, t) = (&place.student[s..], &place.teacher[t..]);
                        let batch = Batch::new(place.rows, s, t, &place.labels)
                            .gradient(&mut place.gradient[g..])
                            .workspace(&mut place.workspace[w..])
                            .stats(&mut self.1);
                        let total = self.0.run(batch, Parallelism::Serial);
                        std::hint::black_box(total.expect("the batch fits its plan"));
                    }
                    start.elapsed().as_secs_f64() / calls as f64
                }
            }
        }
    };
}

engine!(old before);
engine!(new after);

/// Uniform in [0, 1): xorshift.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// One case's pairs: (old, new) in seconds per call.
fn pairs<E: old::cpu::Element + new::cpu::Element>(
    isa: &str,
    preset: &str,
    (rows, classes): (usize, usize),
) -> Vec<(f64, f64)> {
    let of = <E as new::cpu::Element>::from_f32;
    let mut draw = Draw(u64::from(std::process::id()) << 20 | 88_172_645_463);
    let engines = || {
        let before = before::Engine::new(isa, preset, rows, classes)?;
        Some((before, after::Engine::new(isa, preset, rows, classes)?))
    };
    let Some((mut before, mut after)) = engines() else {
        return vec![];
    };
    let mut pairs = vec![];
    for place in 0..PLACES {
        // At most 8 KiB further on, and aligned as both engines may expect of an allocation.
        let starts = [0; 4].map(|_| (draw.next() * 128.0) as usize * 16);
        let bytes = before.workspace_bytes().max(after.workspace_bytes());
        let mut logits = |start: usize| -> Vec<E> {
            let len = start + rows * classes;
            (0..len).map(|_| of(draw.next() * 8.0 - 4.0)).collect()
        };
        let mut place_of = Place {
            rows,
            student: logits(starts[0]),
            teacher: logits(starts[1]),
            gradient: logits(starts[2]),
            workspace: vec![0; starts[3] + bytes],
            labels: (0..rows).map(|row| (row * 31 % classes) as i32).collect(),
            starts,
        };
        let place_mut = &mut place_of;
        let once = before.time(place_mut, 3).min(after.time(place_mut, 3));
        let calls = ((SECONDS / once) as usize).max(1);
        before.time(place_mut, calls);
        after.time(place_mut, calls);
        for pair in 0..PAIRS {
            pairs.push(if (pair + place) % 2 == 0 {
                let old = before.time(place_mut, calls);
                (old, after.time(place_mut, calls))
            } else {
                let new = after.time(place_mut, calls);
                (before.time(place_mut, calls), new)
            });
        }
    }
    pairs
}

/// The median of the ratios, and between which of them it lies in 95 of 100 cases.
fn summary(mut ratios: Vec<f64>) -> [f64; 3] {
    ratios.sort_by(f64::total_cmp);
    let n = ratios.len() as f64;
    let half = 0.98 * n.sqrt();
    let at = |place: f64| ratios[(place.max(0.0) as usize).min(ratios.len() - 1)];
    [
        at(n / 2.0),
        at((n / 2.0 - half).floor()),
        at((n / 2.0 + half).ceil()),
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--once") {
        let [isa, rows, classes, element, preset] = &arguments[1..] else {
            panic!("--once ISA ROWS CLASSES TYPE PRESET");
        };
        let shape = (
            rows.parse().expect("rows"),
            classes.parse().expect("classes"),
        );
        let pairs = match element.as_str() {
            "f32" => pairs::<f32>(isa, preset, shape),
            _ => pairs::<bf16>(isa, preset, shape),
        };
        for (old, new) in pairs {
            println!("{old} {new}");
        }
        return;
    }
    let list = |i: usize, all: &str| -> Vec<String> {
        let given = arguments.get(i).filter(|given| *given != "-");
        let given = given.map_or(all, String::as_str);
        given.split(',').map(str::to_owned).collect()
    };
    let shapes = SHAPES.map(|(rows, classes)| format!("{rows}x{classes}"));
    let myself = std::env::current_exe().expect("this program");
    let begin = Instant::now();
    for isa in list(0, "avx512,avx2,portable") {
        for shape in list(1, &shapes.join(",")) {
            let (rows, classes) = shape.split_once('x').expect("a shape: ROWSxCLASSES");
            for element in list(2, "f32,bf16") {
                for preset in list(3, "lr") {
                    let mut times = vec![];
                    for _ in 0..PROCESSES {
                        let run = Command::new(&myself)
                            .args(["--once", &isa, rows, classes, &element, &preset])
                            .output()
                            .expect("this program runs");
                        if !run.status.success() {
                            eprintln!("{}", String::from_utf8_lossy(&run.stderr));
                            std::process::exit(1);
                        }
                        let text = String::from_utf8(run.stdout).expect("numbers");
                        let number = |x: &str| x.parse::<f64>().expect("a number");
                        times.extend(text.lines().filter_map(|line| {
                            let (old, new) = line.split_once(' ')?;
                            Some((number(old), number(new)))
                        }));
                    }
                    if times.is_empty() {
                        eprintln!("SKIP {isa}: this processor lacks its instructions");
                        continue;
                    }
                    let [old, ..] = summary(times.iter().map(|(old, _)| old * 1e6).collect());
                    let [ratio, low, high] = summary(times.iter().map(|(a, b)| b / a).collect());
                    println!(
                        "{isa:8} {preset:8} {shape:>10} {element:4}  old {old:9.1} µs  \
                         new/old {ratio:.3} [{low:.3}, {high:.3}]"
                    );
                }
            }
        }
    }
    eprintln!("{:.0} s", begin.elapsed().as_secs_f64());
}
