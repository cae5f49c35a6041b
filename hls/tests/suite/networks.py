"""The networks of the suite. Each covers something that no other does; together every layer, rounding and overflow.

`hardware_fraction` says how many places after the binary point the hardware integers of the test have; `changes 1` that
wider accumulators and results have to give other numbers, so that the overflow is known to have happened.
"""

import shaped
from network import Network

ROUNDINGS = ["AP_RND", "AP_RND_ZERO", "AP_RND_MIN_INF", "AP_RND_INF", "AP_RND_CONV", "AP_TRN", "AP_TRN_ZERO"]
OVERFLOWS = ["AP_SAT", "AP_SAT_ZERO", "AP_SAT_SYM", "AP_WRAP"]
MODES = [(rounding, overflow) for rounding in ROUNDINGS for overflow in OVERFLOWS]


def fixed(width, integer, rounding="AP_TRN", overflow="AP_WRAP"):
    return f"ap_fixed<{width},{integer},{rounding},{overflow}>"


def ufixed(width, integer, rounding="AP_TRN", overflow="AP_WRAP"):
    return f"ap_ufixed<{width},{integer},{rounding},{overflow}>"


def plain(name, strategy="Latency", reuse=1, accum=fixed(24, 12), **suite):
    """Two dense layers."""
    net = Network(name, 12, fixed(16, 6), strategy, reuse, hardware_fraction=10, **suite)
    net.dense(8, accum=accum, result=fixed(18, 8))
    net.activation("relu", result=ufixed(10, 4, "AP_RND", "AP_SAT"))
    net.dense(6, accum=accum, result=fixed(24, 12))
    return net


def by_mode(name, mode):
    """A mode at the door, on weights, results and activations."""
    net = Network(name, 10, fixed(10, 5, *mode), hardware_fraction=9)
    net.dense(8, weight=fixed(5, 2, *mode), bias=fixed(6, 2, *mode), result=fixed(12, 7, *mode))
    net.activation("relu", result=ufixed(7, 3, *mode))
    net.dense(5, result=fixed(11, 6, *mode))
    return net


def of_all_modes(name, branch):
    """A branch for each mode, all joined at the end."""
    net = Network(name, 4, fixed(16, 6), hardware_fraction=10, changes=1)
    joined = None
    for index, mode in enumerate(MODES):
        one = branch(net, index, mode)
        if joined is not None:
            shape = [net.shapes[joined][0] + net.shapes[one][0]]
            one = net.merge("concatenate1d", joined, one, "Concatenate", shape, axis=1, result=fixed(40, 20))
        joined = one
    return net


def requantise_modes(name):
    form = [fixed, fixed, ufixed]
    return of_all_modes(
        name, lambda net, i, mode: net.activation("linear", "x", name=f"linear_{i}", result=form[i % 3](7, 3, *mode))
    )


def accumulator_modes(name):
    accum = lambda mode: fixed(10, 6, *mode)
    return of_all_modes(
        name, lambda net, i, mode: net.dense(2, "x", 3.0, name=f"dense_{i}", result=fixed(20, 10), accum=accum(mode))
    )


def formats(name, value, weight, accum, result, **suite):
    net = Network(name, 9, value, **suite)
    net.dense(7, weight=weight, bias=weight, accum=accum, result=result)
    net.activation("relu", result=result)
    net.dense(4, weight=weight, bias=weight, accum=accum, result=result)
    return net


def line(name, strategy="Latency", reuse=1, accum=fixed(24, 12), padding=(2, 1), **suite):
    net = Network(name, [11, 3], fixed(12, 5), strategy, reuse, hardware_fraction=7, **suite)
    net.convolution(4, 3, 2, padding, accum=accum)
    net.activation("relu", result=fixed(12, 5))
    net.convolution(3, 2, 1, 0, accum=accum, result=fixed(14, 6))
    return net


def image(name, strategy="Latency", reuse=1, accum=fixed(24, 12), padding=0, stride=2, channels=2, **suite):
    net = Network(name, [6, 5, channels], fixed(12, 5), strategy, reuse, hardware_fraction=7, **suite)
    net.convolution(3, [3, 2], stride, padding, accum=accum, result=fixed(16, 8))
    net.activation("relu", result=ufixed(10, 4, "AP_RND_CONV", "AP_SAT"))
    net.dense(4, reuse=1)
    return net


def pointwise(name):
    net = Network(name, [4, 3, 3], fixed(12, 5), hardware_fraction=7)
    net.convolution(5, 1, 1, 0)
    net.activation("relu")
    net.convolution(2, 1, 1, 0, result=fixed(14, 7))
    return net


def pointwise_line(name):
    net = Network(name, [6, 4], fixed(12, 5), hardware_fraction=7)
    net.convolution(5, 1, 1, 0)
    return net


def normalise(name):
    net = Network(name, 9, fixed(14, 7), hardware_fraction=7)
    net.normalise(result=fixed(12, 5, "AP_RND", "AP_SAT"))
    net.activation("relu", result=ufixed(9, 4))
    net.normalise(result=fixed(18, 9), scale=2.0)
    return net


def normalise_channels(name):
    net = Network(name, [5, 4, 3], fixed(14, 7), hardware_fraction=7)
    net.normalise(channels=3, result=fixed(12, 5, "AP_RND_CONV", "AP_SAT_SYM"))
    return net


def table(name, function, size, value=fixed(16, 6), result=fixed(16, 6)):
    net = Network(name, 8, value, hardware_fraction=10)
    net.dense(8, result=fixed(18, 8))
    net.activation(function, options={"TableSize": size}, result=result)
    net.activation(function, "x", options={"TableSize": size}, result=result, name=f"{function}_of_input")
    net.merge("add", net.layers[-2]["name"], net.last, result=fixed(20, 8))
    return net


def hard(name, function):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10)
    net.activation(function, kind="HardActivation", result=fixed(12, 4, "AP_RND", "AP_SAT"))
    return net


def leaky(name):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10)
    net.activation(
        "LeakyReLU", kind="LeakyReLU", activ_param=0.3, precision={"param": fixed(9, 1)},
        result=fixed(12, 5, "AP_RND_INF", "AP_SAT"),
    )
    return net


def relu6(name):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10)
    net.activation("relu6", result=ufixed(12, 3))
    return net


def merges(name):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10)
    first = net.dense(8, "x", result=fixed(12, 5))
    second = net.dense(8, "x", result=ufixed(11, 5))
    total = net.merge("add", first, second, result=fixed(11, 6, "AP_RND", "AP_WRAP"))
    difference = net.merge("subtract", first, second, result=fixed(11, 6, "AP_TRN_ZERO", "AP_SAT"))
    net.merge("multiply", total, difference, result=fixed(18, 9, "AP_RND_MIN_INF", "AP_SAT"))
    return net


def broadcast(name):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10)
    one = net.dense(1, "x", result=fixed(12, 5))
    total = net.merge("add", "x", one, result=fixed(17, 7))
    net.merge("multiply", total, one, result=fixed(24, 12))
    return net


def dot(name, **suite):
    net = Network(name, 8, fixed(16, 6), hardware_fraction=10, **suite)
    one = net.dense(6, "x", result=fixed(12, 5))
    other = net.dense(6, "x", result=fixed(13, 6))
    net.merge("dot1d", one, other, "Dot", [1], axis=1, accum=fixed(14, 7, "AP_RND", "AP_WRAP"), result=fixed(14, 8))
    return net


def concatenate(name, axes, axis):
    net = Network(name, [4, 3, 2][:axes], fixed(12, 5), hardware_fraction=7)
    one = net.activation("relu", "x", result=fixed(10, 4))
    shape = list(net.shapes[one])
    shape[axis - 1] *= 2
    net.merge(f"concatenate{axes}d", one, "x", "Concatenate", shape, axis=axis, result=fixed(11, 5))
    return net


def autoencoder(name):
    net = Network(name, 57, fixed(16, 10), hardware_fraction=4)
    for size in [32, 16, 3, 16, 32]:
        net.dense(size, result=fixed(18, 8), weight=fixed(6, 2), scale=0.4)
        net.activation("relu", result=ufixed(10, 5, "AP_RND_CONV", "AP_SAT"))
    net.dense(57, result=fixed(16, 10), scale=0.5)
    return net


SATURATING = fixed(12, 7, "AP_RND", "AP_SAT")
NARROW = fixed(9, 4, "AP_RND", "AP_SAT")

NETWORKS = {
    "dense": lambda name: plain(name),
    "dense_no_text_files": lambda name: plain(name, txt=False, namespace="one::two"),
    "wraps_dense": lambda name: plain(name, accum=fixed(11, 6), changes=1),
    "saturates_dense": lambda name: plain(name, accum=SATURATING, changes=1),
    "saturates_to_zero_dense": lambda name: plain(name, accum=fixed(12, 7, "AP_TRN", "AP_SAT_ZERO"), changes=1),
    "saturates_symmetric_dense": lambda name: plain(name, accum=fixed(12, 7, "AP_TRN_ZERO", "AP_SAT_SYM"), changes=1),
    "resource_dense": lambda name: plain(name, "Resource", 1),
    "resource_reuse_4_dense": lambda name: plain(name, "Resource", 4, SATURATING, changes=1),
    "resource_beyond_inputs_dense": lambda name: plain(name, "Resource", 24, SATURATING, changes=1),
    **{f"mode_{mode[0]}": lambda name, mode=mode: by_mode(name, mode) for mode in zip(ROUNDINGS, OVERFLOWS * 2)},
    "requantise_modes": requantise_modes,
    "accumulator_modes": accumulator_modes,
    "unsigned": lambda name: formats(name, ufixed(10, 6), ufixed(4, 1), ufixed(14, 9), ufixed(12, 8, "AP_RND"), hardware_fraction=4, changes=1),
    "negative_integer_bits": lambda name: formats(name, fixed(8, -2), fixed(6, -3), fixed(20, 2), fixed(9, -1), hardware_fraction=16),
    "integer_bits_beyond_width": lambda name: formats(name, fixed(6, 12), fixed(6, 3), fixed(16, 18), fixed(8, 16), hardware_fraction=0),
    "integers": lambda name: formats(name, "ap_int<9>", fixed(6, 3), fixed(16, 13), "ap_int<8>", hardware_fraction=1, changes=1),
    "unsigned_integers": lambda name: formats(name, "ap_uint<10>", "ap_int<3>", "ap_int<12>", "ap_uint<8>", hardware_fraction=0, changes=1),
    "wide": lambda name: formats(name, fixed(16, 6), fixed(18, 4), fixed(64, 30), fixed(45, 20), hardware_fraction=10),
    "weights_of_one_bit": lambda name: formats(name, fixed(12, 5), "ap_uint<1>", fixed(20, 10), fixed(14, 8), hardware_fraction=7),
    "weights_of_two_bits": lambda name: formats(name, fixed(12, 5), "ap_int<2>", fixed(20, 10), fixed(14, 8), hardware_fraction=7),
    "line": line,
    "line_resource_reuse_3": lambda name: line(name, "Resource", 3, NARROW, changes=1),
    "wraps_line": lambda name: line(name, accum=fixed(11, 5), padding=0, changes=1),
    "image": image,
    "image_padded": lambda name: image(name, padding=[[1, 1], [0, 1]], stride=1, channels=3),
    "wraps_image": lambda name: image(name, accum=fixed(11, 6), stride=[2, 1], changes=1),
    "image_resource": lambda name: image(name, "Resource", 1, padding=[[1, 1], [1, 0]]),
    "image_resource_reuse_6": lambda name: image(name, "Resource", 6, NARROW, padding=[[1, 0], [0, 1]], changes=1),
    "pointwise": pointwise,
    "pointwise_line": pointwise_line,
    "normalise": normalise,
    "normalise_channels": normalise_channels,
    "tanh": lambda name: table(name, "tanh", 1024),
    "sigmoid": lambda name: table(name, "sigmoid", 300, result=ufixed(12, 2)),
    "softplus": lambda name: table(name, "softplus", 2048),
    "softsign": lambda name: table(name, "softsign", 512),
    "hard_sigmoid": lambda name: hard(name, "hard_sigmoid"),
    "hard_tanh": lambda name: hard(name, "hard_tanh"),
    "leaky_relu": leaky,
    "relu6": relu6,
    "merges": merges,
    "broadcast": broadcast,
    "wraps_dot": lambda name: dot(name, changes=1),
    "concatenate1d": lambda name: concatenate(name, 1, 1),
    "concatenate2d": lambda name: concatenate(name, 2, 2),
    "concatenate3d": lambda name: concatenate(name, 3, 2),
    "autoencoder": autoencoder,
}


def everything():
    """What writes each project, by its name."""
    generated = {name: lambda folder, build=build: build(folder.name).write(folder) for name, build in NETWORKS.items()}
    return generated | shaped.PROJECTS
