//! The arithmetic against the HLS headers themselves: a C++ program over random types is built with g++ and has to give
//! the same bits.
//!
//! `TRIGSIEVE_HEADER_FORMATS` sets how many sets of types there are (default 3); the destination of each set is tried with
//! every rounding and overflow. Most of the time goes into g++, which grows with the number of distinct types.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;
use trigsieve_fixed::interpreter::table_quotient;
use trigsieve_fixed::{Exact, Format, Overflow, Rounding, Wide, testing};

/// Values (pairs of raw numbers, and doubles) for each case.
const VALUES: usize = 2000;
/// Translation units, so that both the compiler's memory and the waiting stay small.
const UNITS: usize = 3;

/// d = s, d = s + z and so on, for types S, Z and D.
struct Case {
    s: Format,
    z: Format,
    d: Format,
}

struct Values {
    raw: Vec<[u64; 2]>,
    doubles: Vec<f64>,
    shifts: Vec<i32>,
}

const MAIN: &str = r#"
int main(int argc, char** argv) {
  FILE* in = fopen(argv[1], "rb");
  out = fopen(argv[2], "wb");
  if (argc != 3 || !in || !out) return 1;
  for (int i = 0; i < VALUES; i++)
    if (fread(raw[i], 8, 2, in) != 2 || fread(&doubles[i], 8, 1, in) != 1 || fread(&shifts[i], 4, 1, in) != 1) return 2;
  run_cases();
  return fclose(out) != 0;
}
"#;

const TEMPLATE: &str = r#"
#include "ap_fixed.h"
#include <cstdint>
#include <cstdio>
static uint64_t raw[VALUES][2];
static double doubles[VALUES];
static int shifts[VALUES];
static FILE* out;
template <class T> T make(uint64_t bits) {
  T t;
  t.range(T::width - 1, 0) = ap_uint<T::width>(bits);
  return t;
}
template <class T> void put(T t) {
  uint64_t bits = t.range(T::width - 1, 0).to_uint64();
  fwrite(&bits, 8, 1, out);
}
static void put_int(int64_t number) { fwrite(&number, 8, 1, out); }
template <class S, class Z, class D> void run() {
  static const unsigned size = 1024;
  for (int i = 0; i < VALUES; i++) {
    S s = make<S>(raw[i][0]);
    Z z = make<Z>(raw[i][1]);
    D d;
    d = s; put<D>(d);
    d = s + z; put<D>(d);
    d = s - z; put<D>(d);
    d = s * z; put<D>(d);
    d = -s; put<D>(d);
    d = D(doubles[i]); put<D>(d);
    D e = make<D>(raw[i][0]);
    d = e >> shifts[i]; put<D>(d);
    d = e << shifts[i]; put<D>(d);
    put_int((s > 0) + 2 * (s < 0) + 4 * (s > 6));
    int index = s * size / 16;
    put_int(index);
  }
}
"#;

/// Numbers that each value of a case gives.
const RESULTS: usize = 10;

fn random_format(rng: &mut Rng) -> Format {
    let width = match rng.u8(0..4) {
        0 => rng.u32(1..=6),
        1 => rng.u32(7..=18),
        2 => rng.u32(19..=40),
        _ => rng.u32(41..=64),
    };
    let integer = match rng.u8(0..6) {
        0 => rng.i32(-12..=width as i32 + 12),
        _ => rng.i32(0..=width as i32),
    };
    if rng.bool() { Format::signed(width, integer) } else { Format::unsigned(width, integer) }
}

fn cases(rng: &mut Rng, formats: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for set in 0..formats {
        let (s, z, d) = types(rng, set.is_multiple_of(2));
        for (rounding, _) in Rounding::ALL {
            for (overflow, _) in Overflow::ALL {
                cases.push(Case { s, z, d: d.with(rounding, overflow) });
            }
        }
    }
    cases
}

/// Two sources and a destination near them, whose binary point and width make both rounding and overflow happen.
fn types(rng: &mut Rng, signed: bool) -> (Format, Format, Format) {
    loop {
        let (s, z) = (random_format(rng), random_format(rng));
        let (x, y) = (Wide::from(s), Wide::from(z));
        let mut d = Format { signed, ..random_format(rng) };
        if rng.u8(0..4) > 0 {
            d.integer = s.integer + rng.i32(-4..=2);
            d.width = (d.integer + s.fraction() - rng.i32(-1..=5)).clamp(1, 64).unsigned_abs();
        }
        let fits = x.times(y).fits() && x.minus(y).fits();
        if fits && (s.signed, s.width, s.integer) != (d.signed, d.width, d.integer) {
            return (s, z, d);
        }
    }
}

fn values(rng: &mut Rng) -> Values {
    let mut bits = || match rng.u8(0..6) {
        0 => 1_u64 << rng.u32(0..64),
        1 => (1_u64 << rng.u32(0..64)).wrapping_sub(1),
        2 => !(1_u64 << rng.u32(0..64)),
        3 => rng.u64(..) << rng.u32(0..64),
        4 => rng.u64(0..16).wrapping_sub(8),
        _ => rng.u64(..),
    };
    let raw = (0..VALUES).map(|_| [bits(), bits()]).collect();
    let doubles = (0..VALUES).map(|_| random_double(rng)).collect();
    let shifts = (0..VALUES).map(|_| if rng.bool() { rng.i32(-4..=8) } else { rng.i32(-64..=64) }).collect();
    Values { raw, doubles, shifts }
}

fn random_double(rng: &mut Rng) -> f64 {
    match rng.u8(0..8) {
        0 => f64::from_bits(rng.u64(..)),
        1 => [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, f64::MAX, 0.5][rng.usize(..8)],
        2..5 => f64::from(rng.i16(..)) * f64::from(-rng.i32(0..20)).exp2(),
        _ => (rng.f64() - 0.5) * f64::from(rng.i32(-12..40)).exp2(),
    }
}

fn cpp_type(format: &Format) -> String {
    let name = if format.signed { "ap_fixed" } else { "ap_ufixed" };
    let (rounding, overflow) = (format.rounding.name(), format.overflow.name());
    format!("{name}<{},{},{rounding},{overflow}>", format.width, format.integer)
}

fn source(cases: &[Case]) -> String {
    let mut text = format!("#define VALUES {VALUES}\n{TEMPLATE}\nstatic void run_cases() {{\n");
    for Case { s, z, d } in cases {
        let _ = writeln!(text, "  run<{}, {}, {} >();", cpp_type(s), cpp_type(z), cpp_type(d));
    }
    text + "}\n" + MAIN
}

/// The number that the lowest bits hold in a format.
fn raw_of(format: &Format, bits: u64) -> i128 {
    let bits = i128::from(bits) & ((1 << format.width) - 1);
    if bits > format.max_raw() { bits - (1 << format.width) } else { bits }
}

fn bits_of(format: &Format, raw: i128) -> u64 {
    (raw & ((1 << format.width) - 1)) as u64
}

fn expected(case: &Case, [first, second]: [u64; 2], double: f64, shift: i32) -> [u64; RESULTS] {
    let Case { s, z, d } = case;
    let x = s.exact(raw_of(s, first));
    let y = z.exact(raw_of(z, second));
    let e = raw_of(d, first);
    let assigned = |number: Exact| bits_of(d, d.assign(number));
    let signs =
        u64::from(x > Exact::ZERO) + 2 * u64::from(x < Exact::ZERO) + 4 * u64::from(x > Exact::integer(6));
    [
        assigned(x),
        assigned(x.plus(y)),
        assigned(x.minus(y)),
        assigned(x.times(y)),
        assigned(x.negated()),
        assigned(Exact::from_f64(double)),
        bits_of(d, d.shift_right(e, shift)),
        bits_of(d, d.shift_right(e, -shift)),
        signs,
        i64::from(table_quotient(x, 16, 1024)) as u64,
    ]
}

const OPERATIONS: [&str; RESULTS] = [
    "d = s",
    "d = s + z",
    "d = s - z",
    "d = s * z",
    "d = -s",
    "D(double)",
    "d >> n",
    "d << n",
    "s ? 0, 6",
    "s * 1024 / 16",
];

/// Builds and runs one program; the numbers that it wrote.
fn run(folder: &Path, unit: usize, headers: &Path, cases: &[Case], values: &Path) -> Vec<u64> {
    let cpp = folder.join(format!("unit{unit}.cpp"));
    let binary = folder.join(format!("unit{unit}"));
    let results = folder.join(format!("unit{unit}.bin"));
    std::fs::write(&cpp, source(cases)).expect("C++ source");
    let compiled = Command::new("g++")
        .args(["-std=c++14", "-O0", "-w", "-I"])
        .arg(headers)
        .arg("-o")
        .args([&binary, &cpp])
        .status()
        .expect("g++ is needed to compare with the HLS headers (Debian: g++)");
    assert!(compiled.success(), "g++ on {}", cpp.display());
    let ran = Command::new(&binary)
        .args([values, &results])
        .stderr(Stdio::null())
        .status()
        .expect("the C++ program");
    assert!(ran.success(), "{}", binary.display());
    let bytes = std::fs::read(&results).expect("results");
    bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect()
}

/// How many results were compared, and the differences as text.
fn compare(cases: &[Case], values: &Values, found: &[u64]) -> (usize, Vec<String>) {
    assert_eq!(found.len(), cases.len() * VALUES * RESULTS, "results of the C++ program");
    let mut wrong = Vec::new();
    for (case, found) in cases.iter().zip(found.chunks(VALUES * RESULTS)) {
        for (at, found) in found.chunks(RESULTS).enumerate() {
            let (raw, double, shift) = (values.raw[at], values.doubles[at], values.shifts[at]);
            let expected = expected(case, raw, double, shift);
            for (operation, (found, expected)) in OPERATIONS.iter().zip(found.iter().zip(expected)) {
                if *found != expected {
                    let Case { s, z, d } = case;
                    let (x, y) = (raw_of(s, raw[0]), raw_of(z, raw[1]));
                    wrong.push(format!(
                        "{operation}: s {s} raw {x}, z {z} raw {y}, d {d}, double {double:e}, n {shift}: \
                         C++ {found:#x}, here {expected:#x}"
                    ));
                }
            }
        }
    }
    (found.len(), wrong)
}

#[test]
fn the_arithmetic_is_that_of_the_hls_headers() {
    let headers =
        testing::hls4ml().unwrap_or_else(|error| panic!("{error}")).join("templates/vivado/ap_types");
    let formats = std::env::var("TRIGSIEVE_HEADER_FORMATS").map_or(3, |text| text.parse().expect("a number"));
    let seed = std::env::var("TRIGSIEVE_HEADER_SEED").map_or(40, |text| text.parse().expect("a number"));
    let mut rng = Rng::with_seed(seed);
    let (cases, values) = (cases(&mut rng, formats), values(&mut rng));
    let folder = tempfile::tempdir().expect("temporary folder");
    let inputs = folder.path().join("values.bin");
    let mut bytes = Vec::new();
    for (raw, (double, shift)) in values.raw.iter().zip(values.doubles.iter().zip(&values.shifts)) {
        raw.iter().for_each(|raw| bytes.extend(raw.to_le_bytes()));
        bytes.extend(double.to_le_bytes());
        bytes.extend(shift.to_le_bytes());
    }
    std::fs::write(&inputs, bytes).expect("values");
    let units: Vec<&[Case]> = cases.chunks(cases.len().div_ceil(UNITS)).collect();
    let results = std::thread::scope(|scope| {
        let threads: Vec<_> = units
            .iter()
            .enumerate()
            .map(|(unit, cases)| {
                let (folder, headers, inputs) = (folder.path(), &headers, &inputs);
                scope.spawn(move || run(folder, unit, headers, cases, inputs))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("thread")).collect::<Vec<_>>()
    });
    let (mut compared, mut wrong) = (0, Vec::new());
    for (cases, found) in units.iter().zip(&results) {
        let (count, differences) = compare(cases, &values, found);
        compared += count;
        wrong.extend(differences);
    }
    println!("{compared} results of {} cases, {} differ", cases.len(), wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}
