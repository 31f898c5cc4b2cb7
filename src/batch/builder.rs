//! The builders of every engine: one text, so that the same argument has the same name, meaning and
//! documentation whether a batch lies in slices, device views, buffers or at addresses.
//!
//! `given => kept`: what a method takes, and what the batch keeps of it.

/// Where the student's rows are: read alone, or overwritten by their gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place<R, W> {
    /// Only read.
    Read(R),
    /// Read, then overwritten.
    InPlace(W),
}

/// What total and gradient are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Upstream<P> {
    /// Known to the host.
    Known(f32),
    /// Read when the call runs.
    At(P),
}

/// The methods that logits and features share: what they call the student's rows, how long a row is, and
/// the gradient's formula.
macro_rules! shared_methods {
    (
        $rows:literal, $width:literal, $formula:literal,
        written: $written:ty, scalar: $scalar:ty, workspace: $workspace:ty
    ) => {
        #[doc = concat!("Elements from one row of the student's ", $rows, " to the next; `", $width, "` unless set.")]
        /// What lies between rows is never written.
        pub fn student_stride(mut self, elements: usize) -> Self {
            self.student_stride = Some(elements);
            self
        }

        #[doc = concat!("The gradient `", $formula, "` apart from the ", $rows, ", in the student's")]
        /// type; a batch [in place](Self::in_place) has no use for it.
        pub fn gradient(mut self, gradient: $written) -> Self {
            self.gradient = Some(gradient.into());
            self
        }

        #[doc = concat!("Elements from one row of a gradient apart to the next; `", $width, "` unless set.")]
        pub fn gradient_stride(mut self, elements: usize) -> Self {
            self.gradient_stride = Some(elements);
            self
        }

        /// What total and gradient are multiplied by, known to the host; 1 unless set: the gradient that
        /// arrives from above, the loss scale for half-precision gradients, the λ of a schedule.
        pub fn upstream(mut self, upstream: f32) -> Self {
            self.upstream = $crate::batch::Upstream::Known(upstream);
            self
        }

        /// The same number (f32) in the batch's memory, read each time that the call runs.
        pub fn upstream_at(mut self, upstream: $scalar) -> Self {
            self.upstream = $crate::batch::Upstream::At(upstream.into());
            self
        }

        /// The caller's memory for what a call leaves from one of its steps to the next, as many bytes as
        /// the plan's `workspace_bytes` says; calls that do not run at the same time may share it.
        pub fn workspace(mut self, workspace: $workspace) -> Self {
            self.workspace = Some(workspace.into());
            self
        }
    };
}

/// A batch of logits in one kind of memory: the struct and its builder.
macro_rules! row_batch {
    (
        $(#[$about:meta])*
        pub struct $Batch:ident [$($define:tt)*] [$($name:tt)*] {
            student: $student:ty => $Student:ty,
            written: $written:ty => $Written:ty,
            teacher: $teacher:ty => $Teacher:ty,
            labels: $labels:ty => $Labels:ty,
            floats: $floats:ty => $Floats:ty,
            scalar: $scalar:ty => $Scalar:ty,
            stats: $stats:ty => $Stats:ty,
            total: $total:ty => $Total:ty,
            workspace: $workspace:ty => $Workspace:ty,
        }
    ) => {
        $(#[$about])*
        ///
        /// Shapes: `student`, `teacher` and `gradient` are `[B, V]`, `V` elements apart unless a stride
        /// is set; everything else is `[B]`, without gaps. What a batch has no room for is not written.
        #[must_use]
        pub struct $Batch<$($define)*> {
            pub(crate) rows: usize,
            pub(crate) student: $crate::batch::Place<$Student, $Written>,
            pub(crate) student_stride: Option<usize>,
            pub(crate) teacher: $Teacher,
            pub(crate) teacher_stride: Option<usize>,
            pub(crate) labels: $Labels,
            pub(crate) gradient: Option<$Written>,
            pub(crate) gradient_stride: Option<usize>,
            pub(crate) weight: Option<$Floats>,
            pub(crate) kd_weight: Option<$Floats>,
            pub(crate) tau: Option<$Floats>,
            pub(crate) upstream: $crate::batch::Upstream<$Scalar>,
            pub(crate) counts: Option<$crate::batch::Counts>,
            pub(crate) stats: Option<$Stats>,
            pub(crate) total: Option<$Total>,
            pub(crate) workspace: Option<$Workspace>,
        }

        #[allow(clippy::useless_conversion, reason = "what is given may be what is kept")]
        impl<$($define)*> $Batch<$($name)*> {
            /// `rows` rows of the student's logits, of the teacher's, and their labels: classes, or
            /// [`IGNORE`](crate::spec::IGNORE).
            pub fn new(rows: usize, student: $student, teacher: $teacher, labels: $labels) -> Self {
                Self::with(rows, $crate::batch::Place::Read(student.into()), teacher.into(), labels.into())
            }

            /// The same with the gradient over the student's logits, with their stride.
            pub fn in_place(rows: usize, student: $written, teacher: $teacher, labels: $labels) -> Self {
                Self::with(rows, $crate::batch::Place::InPlace(student.into()), teacher.into(), labels.into())
            }

            fn with(
                rows: usize,
                student: $crate::batch::Place<$Student, $Written>,
                teacher: $Teacher,
                labels: $Labels,
            ) -> Self {
                Self {
                    rows,
                    student,
                    student_stride: None,
                    teacher,
                    teacher_stride: None,
                    labels,
                    gradient: None,
                    gradient_stride: None,
                    weight: None,
                    kd_weight: None,
                    tau: None,
                    upstream: $crate::batch::Upstream::Known(1.0),
                    counts: None,
                    stats: None,
                    total: None,
                    workspace: None,
                }
            }

            $crate::batch::shared_methods! {
                "logits", "V", "g[B, V] = ∂total/∂s",
                written: $written, scalar: $scalar, workspace: $workspace
            }

            /// Elements from one row of the teacher's logits to the next; `V` unless set.
            pub fn teacher_stride(mut self, elements: usize) -> Self {
                self.teacher_stride = Some(elements);
                self
            }

            /// `w[B]` (f32): what each row's loss is multiplied by, finite and not negative; 1 unless
            /// set.
            pub fn weight(mut self, weight: $floats) -> Self {
                self.weight = Some(weight.into());
                self
            }

            /// `kd_weight[B]` (f32): what each row's λ_kd is multiplied by, finite and not negative; 1
            /// unless set. Data selection sets it to 0 on rows that the teacher does not supervise.
            pub fn kd_weight(mut self, kd_weight: $floats) -> Self {
                self.kd_weight = Some(kd_weight.into());
                self
            }

            /// `tau[B]` (f32): the temperatures, for
            /// [`Temperature::PerRow`](crate::spec::Temperature::PerRow) and, as the plan computes them,
            /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
            pub fn tau(mut self, tau: $floats) -> Self {
                self.tau = Some(tau.into());
                self
            }

            /// The counts that a mean divides by, instead of counting this call's rows: for a batch
            /// that is one part of a larger one.
            pub fn counts(mut self, counts: $crate::batch::Counts) -> Self {
                self.counts = Some(counts);
                self
            }

            /// Room for one [`RowStats`](crate::spec::RowStats) record per row, 64 bytes each, written
            /// as far as the plan's level says.
            pub fn stats(mut self, stats: $stats) -> Self {
                self.stats = Some(stats.into());
                self
            }

            /// Where `total = upstream · Σ_b loss_b · inv_n` (f32) is written.
            pub fn total(mut self, total: $total) -> Self {
                self.total = Some(total.into());
                self
            }

        }
    };
}

/// A batch of features in one kind of memory: the struct and its builder.
macro_rules! feature_batch {
    (
        $(#[$about:meta])*
        pub struct $Batch:ident [$($define:tt)*] [$($name:tt)*] {
            student: $student:ty => $Student:ty,
            written: $written:ty => $Written:ty,
            target: $target:ty => $Target:ty,
            floats: $floats:ty => $Floats:ty,
            scalar: $scalar:ty => $Scalar:ty,
            distances: $distances:ty => $Distances:ty,
            total: $total:ty => $Total:ty,
            workspace: $workspace:ty => $Workspace:ty,
        }
    ) => {
        $(#[$about])*
        ///
        /// Shapes: `student`, `target` and `gradient` are `[B, D]`, `D` elements apart unless a stride
        /// is set; everything else is `[B]`, without gaps. What a batch has no room for is not written.
        #[must_use]
        pub struct $Batch<$($define)*> {
            pub(crate) rows: usize,
            pub(crate) student: $crate::batch::Place<$Student, $Written>,
            pub(crate) student_stride: Option<usize>,
            pub(crate) target: $Target,
            pub(crate) target_stride: Option<usize>,
            pub(crate) gradient: Option<$Written>,
            pub(crate) gradient_stride: Option<usize>,
            pub(crate) weight: Option<$Floats>,
            pub(crate) upstream: $crate::batch::Upstream<$Scalar>,
            pub(crate) counted: Option<u64>,
            pub(crate) distances: Option<$Distances>,
            pub(crate) total: Option<$Total>,
            pub(crate) workspace: Option<$Workspace>,
        }

        #[allow(clippy::useless_conversion, reason = "what is given may be what is kept")]
        impl<$($define)*> $Batch<$($name)*> {
            /// `rows` rows of the student's and of the target's features.
            pub fn new(rows: usize, student: $student, target: $target) -> Self {
                Self::with(rows, $crate::batch::Place::Read(student.into()), target.into())
            }

            /// The same with the gradient over the student's features, with their stride.
            pub fn in_place(rows: usize, student: $written, target: $target) -> Self {
                Self::with(rows, $crate::batch::Place::InPlace(student.into()), target.into())
            }

            fn with(
                rows: usize,
                student: $crate::batch::Place<$Student, $Written>,
                target: $Target,
            ) -> Self {
                Self {
                    rows,
                    student,
                    student_stride: None,
                    target,
                    target_stride: None,
                    gradient: None,
                    gradient_stride: None,
                    weight: None,
                    upstream: $crate::batch::Upstream::Known(1.0),
                    counted: None,
                    distances: None,
                    total: None,
                    workspace: None,
                }
            }

            $crate::batch::shared_methods! {
                "features", "D", "g[B, D] = ∂total/∂x",
                written: $written, scalar: $scalar, workspace: $workspace
            }

            /// Elements from one row of the target's features to the next; `D` unless set.
            pub fn target_stride(mut self, elements: usize) -> Self {
                self.target_stride = Some(elements);
                self
            }

            /// `w[B]` (f32): what each row's distance is multiplied by, finite and not negative; 1
            /// unless set. Rows of weight 0 do not count in N.
            pub fn weight(mut self, weight: $floats) -> Self {
                self.weight = Some(weight.into());
                self
            }

            /// N, instead of counting this call's rows with a weight: for a batch that is one part of a
            /// larger one.
            pub fn counted(mut self, n: u64) -> Self {
                self.counted = Some(n);
                self
            }

            /// `dist[B]` (f32): room for each row's distance, without sign, weight and upstream.
            pub fn distances(mut self, distances: $distances) -> Self {
                self.distances = Some(distances.into());
                self
            }

            /// Where `total = ± upstream · (1/N) Σ_b w_b dist_b` (f32) is written.
            pub fn total(mut self, total: $total) -> Self {
                self.total = Some(total.into());
                self
            }

        }
    };
}

pub(crate) use {feature_batch, row_batch, shared_methods};
