// The logits of a lane's row: from memory once, then from workgroup memory where they fit.

// Words of workgroup memory for logits: both sides of the workgroup's rows, or 1 where they do not fit.
override CACHE: u32 = 1u;

var<workgroup> cache: array<u32, CACHE>;

// Reads from memory and fills the cache. A barrier has to come before a lane reads what another fetched.
fn fetch(lane: Lane, class_: u32) -> vec2<u32> {
  let s = student_at(params.student_offset + lane.row * params.student_stride + class_);
  let t = teacher_at(params.teacher_offset + lane.row * params.teacher_stride + class_);
  if (CACHE > 1u) {
    let at = lane.row_slot * 2u * params.classes + class_;
    cache[at] = s;
    cache[at + params.classes] = t;
  }
  return vec2<u32>(s, t);
}

// The bits of the student's and of the teacher's logit.
fn logits(lane: Lane, class_: u32) -> vec2<u32> {
  if (CACHE > 1u) {
    let at = lane.row_slot * 2u * params.classes + class_;
    return vec2<u32>(cache[at], cache[at + params.classes]);
  }
  return vec2<u32>(
    student_at(params.student_offset + lane.row * params.student_stride + class_),
    teacher_at(params.teacher_offset + lane.row * params.teacher_stride + class_)
  );
}
