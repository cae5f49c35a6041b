"""The program's operations as logic of da4ml: adders, multiplexers and lookup tables, each with the logic level it is ready at.

Every number is exact, or rounded and brought into range as the program says. Sums are made as trees where that gives the same
bits as the program's order, which is checked here and not assumed; otherwise one addition after the other.
"""

import heapq
import math
import re
from decimal import Decimal, getcontext

import numpy
from da4ml.trace import FixedVariableArray, HWConfig
from da4ml.trace.fixed_variable import FixedVariable

getcontext().prec = 200

# Inputs with more values than this are not tabulated.
MOST_TABLE_ENTRIES = 1 << 18


# What is added, in halves of a step, before bits are cut off.
OFFSETS = {"AP_TRN": 0, "AP_RND": 1, "AP_RND_CONV": 1}


class Unsupported(Exception):
    """An operation that has no logic here."""


class Format:
    """ap_fixed<W,I,Q,O>: raw values are integers in steps of 2^-fraction."""

    def __init__(self, text):
        name, arguments = re.fullmatch(r"(ap_u?fixed)<(.*)>", text).groups()
        fields = [field.strip() for field in arguments.split(",")]
        self.signed = name == "ap_fixed"
        self.width, self.integer = int(fields[0]), int(fields[1])
        self.rounding, self.overflow = fields[2:4] if len(fields) > 2 else ("AP_TRN", "AP_WRAP")
        self.fraction = self.width - self.integer
        self.step = Decimal(2) ** -self.fraction
        self.high = (2 ** (self.width - self.signed) - 1) * self.step
        self.low = -self.high - self.step if self.signed else Decimal(0)
        self.bits = int(self.signed), self.integer - self.signed, self.fraction

    def plain(self):
        """The same numbers, with bits dropped on both sides."""
        return Format(f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}>")


def signal_format(text):
    """The format of what is computed; of constants only the step counts."""
    form = Format(text)
    if form.rounding not in OFFSETS or form.overflow not in ("AP_SAT", "AP_WRAP") or form.fraction < 0:
        raise Unsupported(f"{text}: the Verilog has {', '.join(OFFSETS)}, AP_SAT, AP_WRAP, and I of at most W")
    return form


def at_level(value, level, *sources):
    """A new signal with the level it is ready at; one that already was a signal keeps its own."""
    known = value.opr == "const" or any(value.id == source.id for source in sources)
    return value if known else value._with(latency=float(level), renew_id=False)


def latest(*sources):
    """The level at which all are ready."""
    return max(source.latency for source in sources if source.opr != "const" or len(sources) == 1)


def wires(value, *sources):
    """Bits that are only routed: no level."""
    return at_level(value, latest(*sources), *sources)


def upright(value):
    """The signal itself where da4ml only has its negative, which its multiplexers don't always choose rightly."""
    if value._factor > 0 or value.opr == "const":
        return value
    k, i, fraction = (int(part) for part in value.kif)
    return at_level(value.quantize(k, i, fraction, _force_factor_clear=True), value.latency + 1, value)


def multiplexer(key, yes, no, known=None):
    """`yes` where the one-bit signal is set, at no level yet."""
    return key.msb_mux(upright(yes), upright(no), qint=known)


def choose(key, yes, no, low=None, high=None):
    """`yes` where the one-bit signal is set: a level. The result may be known to lie within limits."""
    yes, no = upright(yes), upright(no)
    step = float(min(yes.step, no.step))
    known = None if low is None else (float(low), float(high), step)
    found = multiplexer(key, yes, no, known)
    return at_level(found, latest(key, *(v for v in (yes, no) if v.opr != "const")) + 1, key, yes, no)


def constant(like, number):
    """A constant beside a signal."""
    return FixedVariable.from_const(Decimal(number), hwconf=like.hwconf)


def plus(value, number):
    """The sum with a constant: an adder. Two in a row become one."""
    if value.opr == "const":
        return constant(value, value.low + number)
    if number == 0:
        return value
    source = value._from[0] if value.opr == "cadd" else value
    return at_level(value + Decimal(number), source.latency + 1, value, source)


def bits(value, top, fraction):
    """The bits below weight 2^top and not below weight 2^-fraction, as an unsigned number."""
    return wires(value.quantize(0, top, fraction), value)


def any_bit(value, spare=0, inverted=False):
    """Whether any bit is set, or is not: lookup tables of six inputs, of which the choice after it may have `spare` ones."""
    groups = math.ceil(sum(value.kif) / 6)
    depth = 1 if groups <= 1 + spare else 1 + math.ceil(math.log(groups, 6))
    # da4ml's interpreter knows these operations without a scale alone.
    whole = value.unscaled
    whole = wires(~whole, value) if inverted else whole
    return at_level(whole.unary_bit_op("any"), value.latency + depth, value)


def sign_of(value):
    """One bit: whether the number is negative."""
    return wires(value.is_negative(), value)


def rounded(value, fraction, mode):
    """The number in steps of 2^-fraction, and for ties to even the signal that there is no tie, otherwise None."""
    places = int(value.kif[2])
    if places <= fraction:
        return value, None
    moved = plus(value, OFFSETS[mode] * Decimal(2) ** -(fraction + 1))
    cut = cut_off(moved, fraction)
    # A tie leaves nothing below the half that was added.
    return cut, any_bit(bits(moved, -fraction, places), spare=1) if mode == "AP_RND_CONV" else None


def cut_off(value, fraction):
    """The number without the bits below weight 2^-fraction: towards minus infinity, so the sign of a small one stays."""
    k, i, _ = (int(part) for part in value.kif)
    return wires(value.quantize(k, max(i, -fraction), fraction), value)


def to_even(value, no_tie):
    """The number, with the lowest bit cleared in a tie; no level of its own where a choice follows."""
    if no_tie is None:
        return value
    value = upright(value)
    even = cut_off(value, int(value.kif[2]) - 1)
    return at_level(multiplexer(no_tie, value, even), latest(no_tie, value), no_tie, value, even)


def is_power_of_two(number):
    """Whether a limit is one that single bits tell."""
    return number > 0 and math.log2(number) == int(math.log2(number))


def saturated(value, low, high, step, no_tie=None):
    """The number kept within limits, of which the upper is a `step` short of where the next bit begins.

    Clearing the lowest bit in a tie changes nothing about whether a number is beyond the limits, so both happen at once.
    """
    if low > 0 or not is_power_of_two(high + step) or low not in (0, -(high + step)):
        return clamped(settled(value, no_tie), low, high)
    k, i, fraction = (int(part) for part in value.kif)
    top = int(math.log2(high + step))
    inside = to_even(wires(value.quantize(int(low < 0), top, fraction), value), no_tie)
    positive, negative = inside, constant(value, 0)
    if value.high > high:
        positive = choose(any_bit(bits(value, i, -top)), constant(value, high), inside)
    if value.low >= 0:
        return positive
    if low < 0:
        negative = inside
        if value.low < low:
            negative = choose(any_bit(bits(value, i, -top), inverted=True), constant(value, low), inside)
    # Sign, overflow and the bit itself fit one lookup table, so the choice by sign takes no further level.
    negative, positive = upright(negative), upright(positive)
    found = multiplexer(sign_of(value), negative, positive)
    choices = [side.latency for side in (negative, positive) if side.opr != "const"]
    return at_level(found, max([value.latency + 1, *choices]), value, negative, positive)


def settled(value, no_tie):
    """The rounded number where no choice follows."""
    even = to_even(value, no_tie)
    return value if no_tie is None else at_level(even, latest(no_tie, value) + 1, no_tie, value)


def clamped(value, low, high):
    """The number kept within any limits: a comparison and a choice for each."""
    if value.low < low:
        below = sign_of(difference(value, constant(value, low)))
        value = choose(below, constant(value, low), value, low, max(value.high, low))
    if value.high > high:
        above = sign_of(difference(constant(value, high), value))
        value = choose(above, constant(value, high), value, min(value.low, high), high)
    return value


def difference(x, z):
    """x - z, of which one may be a constant."""
    if z.opr == "const":
        return plus(x, -z.low)
    return plus(-z, x.low) if x.opr == "const" else x - z


def assigned(value, form):
    """The number as a format holds it: first rounding, then overflow."""
    if value.opr == "const":
        return constant(value, constant_as(value.low, form))
    value, no_tie = rounded(value, form.fraction, form.rounding)
    inside = value.low >= form.low and value.high <= form.high
    if form.overflow == "AP_SAT" and not inside:
        return saturated(value, form.low, form.high, form.step, no_tie)
    value = settled(value, no_tie)
    if value.opr == "const":
        return constant(value, constant_as(value.low, form))
    return value if inside else wrapped_to(value, form)


def wrapped_to(value, form):
    """The number modulo the format's range."""
    sign, i, fraction = (int(part) for part in value.kif)
    top = form.bits[1]
    if form.signed or value.low >= 0 or top <= i + 1:
        return wires(value.quantize(*form.bits), value)
    # Without a sign of its own the wider number has the narrow one's in every bit above.
    above = multiplexer(sign_of(value), constant(value, Decimal(2) ** top - Decimal(2) ** (i + 1)), constant(value, 0))
    return wires(wires(above, value) | bits(value, i + 1, fraction), value)


ROUNDING = {"AP_TRN": "ROUND_FLOOR", "AP_RND_CONV": "ROUND_HALF_EVEN"}


def constant_as(number, form):
    """A constant assigned to a format."""
    scaled = Decimal(number) / form.step
    if form.rounding == "AP_RND":
        raw = (scaled + Decimal("0.5")).to_integral_value("ROUND_FLOOR")
    else:
        raw = scaled.to_integral_value(ROUNDING[form.rounding])
    low, high = int(form.low / form.step), int(form.high / form.step)
    if form.overflow == "AP_WRAP":
        return ((int(raw) - low) % 2**form.width + low) * form.step
    return min(max(int(raw), low), high) * form.step


def total(terms, like):
    """The sum of all terms, the earliest first."""
    order = [(term.latency, count, term) for count, term in enumerate(terms) if term.opr != "const"]
    number = sum((term.low for term in terms if term.opr == "const"), Decimal(0))
    heapq.heapify(order)
    count = len(terms)
    while len(order) > 1:
        added = heapq.heappop(order)[2] + heapq.heappop(order)[2]
        count += 1
        heapq.heappush(order, (added.latency, count, added))
    return plus(order[0][2], number) if order else constant(like, number)


def products(x, z):
    """Terms whose sum is x z: a row for each bit of the shorter factor, or half of them for a square."""
    if x.opr == "const" or z.opr == "const":
        number, signal = (x, z) if x.opr == "const" else (z, x)
        return [scaled(signal, number.low)]
    if x.id == z.id and x._factor == z._factor:
        return square(x)
    long, short = (x, z) if sum(x.kif) >= sum(z.kif) else (z, x)
    rows = []
    for position, bit in each_bit(short):
        row = choose(bit, long, constant(long, 0)) * (Decimal(2) ** position)
        rows.append(-row if short.low < 0 and position == int(short.kif[1]) else row)
    return rows


def each_bit(value):
    """Position and signal, 0 or 1, of each bit, the lowest first; the sign is the last."""
    sign, i, fraction = (int(part) for part in value.kif)
    for position in range(-fraction, i + sign):
        yield position, bits(value, position + 1, -position) * (Decimal(2) ** -position)


def square(x):
    """x^2 = sum over its bits of b_i 4^i + b_i 2^(i + 1) (the bits above i), where the sign counts negative."""
    sign, i, _ = (int(part) for part in x.kif)
    word, rows = None, []
    for position, bit in each_bit(x):
        single = bit * Decimal(4) ** position
        # The single bits do not overlap: one word without an adder.
        word = single if word is None else wires(word | single, x)
        if position < i + sign - 1:
            above = wires(x.quantize(sign, i, -(position + 1)), x)
            rows.append(choose(bit, above, constant(x, 0)) * Decimal(2) ** (position + 1))
    return [word, *rows]


def scaled(value, number):
    """The product with a constant, as few additions."""
    if number == 0 or value.opr == "const":
        return constant(value, value.low * number)
    return sums_of_products([value], [[number]])[0]


def sums_of_products(x, weights):
    """For each column: the sum of the products with it, exact. Constants among the signals are added at the end."""
    signals = [i for i, value in enumerate(x) if value.opr != "const"]
    matrix = numpy.array([[float(w) for w in weights[i]] for i in signals], dtype=numpy.float32)
    if any(Decimal(float(number)) != w for row, i in zip(matrix, signals) for number, w in zip(row, weights[i])):
        raise Unsupported("weights of more than 24 bits")
    used = [row for row in range(len(signals)) if numpy.any(matrix[row] != 0)]
    like = x[0]
    offsets = [sum((x[i].low * weights[i][j] for i in range(len(x)) if x[i].opr == "const"), Decimal(0))
               for j in range(len(weights[0]))]
    if not used:
        return [constant(like, offset) for offset in offsets]
    found = FixedVariableArray(numpy.array([x[signals[row]] for row in used])) @ matrix[used]
    sums = [value if isinstance(value, FixedVariable) else constant(like, value) for value in found._vars]
    return [plus(value, offset) for value, offset in zip(sums, offsets)]


def exact_sum(accumulator, terms, start):
    """Whether the accumulator neither rounds nor saturates on the way, so that the order of additions is free.

    `terms` are lowest, highest value and step of each.
    """
    if any(step < accumulator.step for _, _, step in terms):
        return False
    if accumulator.overflow == "AP_WRAP":
        return True
    low = start + sum((min(low, Decimal(0)) for low, _, _ in terms), Decimal(0))
    high = start + sum((max(high, Decimal(0)) for _, high, _ in terms), Decimal(0))
    return accumulator.low < low and high <= accumulator.high


def accumulated(accumulator, terms, start, like):
    """One addition after the other, each assigned to the accumulator."""
    found = assigned(constant(like, start), accumulator)
    for term in terms:
        found = assigned(total([found, assigned(term, accumulator)], like), accumulator)
    return found


class Tracer:
    """Runs a program on symbols."""

    def __init__(self, program, levels_a_stage):
        self.program = program
        self.hwconf = HWConfig(1, -1, levels_a_stage)
        self.tensors = {}

    def run(self):
        """The input signals and the score."""
        source = self.program["input"]["tensor"]
        form = Format(source["format"])
        count = math.prod(source["shape"])
        inputs = [FixedVariable(form.low, form.high, form.step, hwconf=self.hwconf) for _ in range(count)]
        self.tensors[source["name"]] = inputs
        for operation in self.program["operations"]:
            self.write(operation)
        return inputs, self.tensors[self.program["score"]][0]

    def score_text(self):
        """Format of the score."""
        outputs = [operation["output"] for operation in self.program["operations"]] + [self.program["input"]["tensor"]]
        return next(output["format"] for output in outputs if output["name"] == self.program["score"])

    def score_format(self):
        """Likewise, taken apart."""
        return Format(self.score_text())

    def write(self, operation):
        """Adds an operation's tensor."""
        try:
            self.tensors[operation["output"]["name"]] = self.values(operation)
        except Unsupported as reason:
            raise Unsupported(f"layer `{operation['layer']}`: {reason}") from None

    def values(self, operation):
        """What an operation makes of its tensors."""
        ((kind, settings),) = operation["op"].items()
        form = signal_format(operation["output"]["format"])
        method = getattr(self, f"on_{kind}", None)
        if method is None:
            raise Unsupported(f"`{kind}` has no logic here")
        inputs = [self.tensors[name] for name in operation["inputs"]]
        # Rounding keeps the order and the zero, and an unsigned format that saturates has no negative numbers: it is the ReLU.
        redundant = kind == "relu" and settings.get("maximum") is None and not form.signed and form.overflow == "AP_SAT"
        values = inputs[0] if redundant else method(inputs, **settings)
        return [assigned(value, form) for value in values]

    def on_scale(self, inputs, offsets, offset_format, difference, shifts):
        form, offset_form = signal_format(difference), Format(offset_format)
        shifted = []
        for value, offset, shift in zip(inputs[0], offsets, shifts):
            value = assigned(plus(value, -offset * offset_form.step), form)
            # The shift drops bits below and above, whatever the format does with other numbers.
            shifted.append(assigned(value * (Decimal(2) ** -shift), form.plain()))
        return shifted

    def on_dense(self, inputs, weights, weight_format, biases, bias_format, accumulator, order=None):
        (x,), count = inputs, len(biases)
        form, unit = signal_format(accumulator), Format(weight_format).step
        table = [[w * unit for w in weights[i * count:(i + 1) * count]] for i in range(len(x))]
        start = [bias * Format(bias_format).step for bias in biases]
        found = []
        fast = [self.is_exact(form, x, [row[j] for row in table], start[j]) for j in range(count)]
        sums = sums_of_products(x, table) if any(fast) else []
        for j in range(count):
            if fast[j]:
                value = plus(sums[j], start[j])
                found.append(assigned(value, form))
            else:
                terms = [scaled(x[i], table[i][j]) for i in (order or range(len(x)))]
                found.append(accumulated(form, terms, start[j], x[0]))
        return found

    @staticmethod
    def is_exact(form, x, column, start):
        ends = [(sorted((v.low * w, v.high * w)), abs(v.step * w)) for v, w in zip(x, column) if w != 0]
        terms = [(low, high, step) for (low, high), step in ends]
        return (start / form.step) % 1 == 0 and exact_sum(form, terms, start)

    def on_normalise(self, inputs, scales, scale_format, biases, bias_format):
        (x,) = inputs
        g = [raw * Format(scale_format).step for raw in scales]
        b = [raw * Format(bias_format).step for raw in biases]
        return [plus(scaled(value, g[i % len(g)]), b[i % len(b)]) for i, value in enumerate(x)]

    def on_relu(self, inputs, maximum=None):
        def one(value):
            # Not a level of its own: what follows takes the sign in with its own lookup tables.
            value = wires(value.relu(), value) if value.low < 0 else value
            return value if maximum is None else saturated(value, Decimal(0), Decimal(maximum), Decimal(1))
        return [one(value) for value in inputs[0]]

    def on_leaky_relu(self, inputs, slope, slope_format):
        factor = slope * Format(slope_format).step
        return [choose(sign_of(value), scaled(value, factor), value) for value in inputs[0]]

    def on_requantise(self, inputs):
        return inputs[0]

    def on_select(self, inputs, indices):
        return [inputs[0][index] for index in indices]

    def on_concatenate(self, inputs):
        return [value for tensor in inputs for value in tensor]

    def on_add(self, inputs):
        x, z = inputs
        return [total([value, z[i % len(z)]], value) for i, value in enumerate(x)]

    def on_subtract(self, inputs):
        x, z = inputs
        return [total([value, -z[i % len(z)]], value) for i, value in enumerate(x)]

    def on_multiply(self, inputs):
        return [total(products(x, z), x) for x, z in zip(*inputs)]

    def on_absolute(self, inputs):
        return [choose(sign_of(value), -value, value, 0, max(-value.low, value.high)) if value.low < 0 else value for value in inputs[0]]

    def on_dot(self, inputs, accumulator):
        form, (x, z) = signal_format(accumulator), inputs
        ends = [sorted(a * b for a in (v.low, v.high) for b in (w.low, w.high)) for v, w in zip(x, z)]
        terms = [(end[0], end[-1], v.step * w.step) for end, v, w in zip(ends, x, z)]
        if exact_sum(form, terms, Decimal(0)):
            return [assigned(total([row for v, w in zip(x, z) for row in products(v, w)], x[0]), form)]
        return [accumulated(form, [total(products(v, w), v) for v, w in zip(x, z)], Decimal(0), x[0])]

    def on_sum(self, inputs, accumulator, order):
        form, (x,) = signal_format(accumulator), inputs
        if exact_sum(form, [(v.low, v.high, v.step) for v in x], Decimal(0)):
            return [assigned(total(x, x[0]), form)]
        if order == "tree":
            return [tree_sum([assigned(v, form) for v in x], form)]
        found = assigned(x[0], form)
        for value in x[1:]:
            found = assigned(total([found, assigned(value, form)], value), form)
        return [found]

    def on_table(self, inputs, range, offset, table, table_format):
        form = Format(table_format)
        return [tabulated(value, range, offset, [raw * form.step for raw in table]) for value in inputs[0]]


def tree_sum(values, form):
    """As the program's tree: the left branch has the greatest power of two less than the number of values."""
    if len(values) == 1:
        return values[0]
    half = 1 << ((len(values) - 1).bit_length() - 1)
    return assigned(total([tree_sum(values[:half], form), tree_sum(values[half:], form)], values[0]), form)


def wrapped(number):
    """A 32-bit integer."""
    return (number + 2**31) % 2**32 - 2**31


def entry(raw, fraction, width, offset, size):
    """Which entry of a table of `size` over an interval of `width` the number raw 2^-fraction takes; as C++, it wraps at 2^31."""
    quotient = abs(raw * size) // width * (1 if raw * size >= 0 else -1)
    whole = abs(quotient) >> fraction if fraction >= 0 else abs(quotient) << -fraction
    return min(max(wrapped(wrapped(whole if quotient >= 0 else -whole) + offset), 0), size - 1)


def tabulated(value, width, offset, entries):
    """A lookup table over the part of the input's range in which the output changes."""
    fraction = int(value.kif[2])
    first, last = (int(end / value.step) for end in (value.low, value.high))
    if last - first >= MOST_TABLE_ENTRIES:
        raise Unsupported(f"a table of an input with {last - first + 1} values; at most {MOST_TABLE_ENTRIES} are supported")
    outputs = [entries[entry(raw, fraction, width, offset, len(entries))] for raw in range(first, last + 1)]
    start, end = 0, len(outputs) - 1
    while start < end and outputs[start] == outputs[start + 1]:
        start += 1
    while end > start and outputs[end] == outputs[end - 1]:
        end -= 1
    if start == end:
        return constant(value, outputs[start])
    # Up to powers of two, where single bits tell what is beyond.
    top = 1 << max(first + end, -(first + start) - 1, 0).bit_length()
    least = -top if first + start < 0 else 0
    value = saturated(value, least * value.step, (top - 1) * value.step, value.step)
    entries = outputs[max(least - first, 0):top - first]
    return looked_up(value, numpy.array([float(output) for output in entries]))


def looked_up(value, entries):
    """A memory of lookup tables, whose levels lie within one stage."""
    address = sum(int(part) for part in value.kif)
    depth = 1 if address <= 8 else 1 + math.ceil((address - 8) / 2)
    begin, stage = value.latency, value.hwconf.latency_cutoff
    if depth > stage:
        raise Unsupported(f"a table of {len(entries)} entries takes {depth} logic levels, and the clock has time for {stage:.0f} in a cycle")
    if math.ceil((begin + depth) / stage) > math.ceil(begin / stage):
        begin = math.ceil(begin / stage) * stage
    return at_level(value.lookup(entries), begin + depth, value)
