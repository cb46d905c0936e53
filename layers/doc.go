// Package layers offers neural-network layers for Gorgonia graphs, each one
// fused operation whose gradient Gorgonia gets through gorgonia.Grad or a
// LispMachine, in float32 and float64.
//
// A layer is made on a graph, where it adds its learnables as nodes, and applied
// with Forward, once or more:
//
//	norm, err := layers.NewLayerNorm(g, 128, layers.WithName("ln_1"))
//	y, err := norm.Forward(x) // x has shape (..., 128)
//	grads, err := gorgonia.Grad(cost, norm.Learnables()...)
//
// Features are the last axis, and all axes before it are rows: an activation may be
// (rows, features) or (batch, time, features). WithAxis chooses another axis, as for
// images; LayerNorm, RMSNorm and ScaleNorm can have several. GroupNorm and InstanceNorm take axis 0
// for the samples. Every norm but ScaleNorm also has ForwardMasked, for an input of which only a
// part counts. An input of no rows gives a result of none, and gradients of 0 (its value is
// a tensor.New of that shape WithBacking an empty slice; Dense.Data and Gorgonia's own
// operations panic at such tensors, among them the sum of gradients where a node of no
// elements is used twice or bound by BindDualValues). No tensor may have more than 2³⁶ elements (2²⁸ − 1
// where an int has 32 bits).
//
// # Which norm
//
//	BatchNorm     a feature over all rows: needs batches that look like the data
//	LayerNorm     a row over its features: mean 0, variance 1
//	RMSNorm       a row over its features: length √features, the mean left as it is
//	ScaleNorm     RMSNorm with one gain for all features
//	GroupNorm     a sample's features, in groups, over positions: for images
//	InstanceNorm  GroupNorm with a group for each feature
//	DyT, Derf     no norm: a tanh, or an erf, of each element, in a norm's place
//	QKNorm        row norms of attention's queries and keys
//
// # Training and evaluation
//
// BatchNorm, and InstanceNorm with WithTracking, compute something else in evaluation than
// in training. The mode is chosen when a layer is placed on a graph: NewX places it for
// training, and On places it once more, on the same graph or on another, with the same
// weights and statistics. The input may have another batch size there:
//
//	eval, err := norm.On(g, layers.Evaluation)
//	prediction, err := eval.Forward(x)
//
// On the graph where it stands already, both placements share the nodes of the
// learnables, so that an evaluation branch has the weights of the training branch. The
// branches can share nodes of your own weights as well. Make a machine for each branch:
//
//	train := gorgonia.NewTapeMachine(g.SubgraphRoots(append(grads, cost)...), gorgonia.BindDualValues(learnables...))
//	test := gorgonia.NewTapeMachine(g.SubgraphRoots(prediction))
//
// On another graph the layer has other nodes with the same memory, so that what a solver
// changes in place on one graph holds on the other. To take a weight of your own there:
//
//	gorgonia.NewMatrix(evalGraph, w.Dtype(), gorgonia.WithShape(w.Shape()...), gorgonia.WithName(w.Name()), gorgonia.WithValue(w.Value()))
//
// gorgonia.Let and gob give a node other memory. Once a layer is on two graphs, running or
// placing it after that is an error. Set the values of a layer with Load instead.
//
// A training placement takes its mode from the machine: each TapeMachine made with
// gorgonia.EvalMode evaluates, and every other one trains, whichever is made or run first.
// A machine without EvalMode trains even if it runs the prediction alone, as on
// g.SubgraphRoots(prediction): it normalizes by the batch and changes the running
// statistics. To evaluate a training branch, say so:
//
//	gorgonia.NewTapeMachine(g.SubgraphRoots(prediction), gorgonia.EvalMode())
//
// Where a machine's mode cannot be told, it refuses to run: LispMachines of both modes on
// one graph, a compiled program that a machine of another mode takes over, a graph and
// its Clone in two modes. An evaluation placement evaluates under every machine.
//
// A LispMachine that computes gradients demands that every root of its graph be a scalar,
// and the learnables of a layer that is made and not applied are roots, as is an
// evaluation branch. Give it the subgraph: gorgonia.NewLispMachine(g.SubgraphRoots(cost)).
//
// Fold puts a trained BatchNorm into the Linear before it, for evaluation.
//
// docs/from-gorgonia.md says how to replace gorgonia.BatchNorm, argument by argument.
//
// # Options and defaults
//
//	option                 layers                                    default
//	WithName               all                                       the kind: LayerNorm, and where the graph
//	                                                                 has that already LayerNorm_1, …
//	WithDtype              all that have learnables                  float32
//	WithEps                BatchNorm, LayerNorm, GroupNorm,          1e-5
//	                       InstanceNorm, ScaleNorm
//	                       RMSNorm                                   machine epsilon of the dtype, as PyTorch
//	WithAxis               norms                                     -1, the last axis; in norms of rows
//	                                                                 as many as WithShape has sizes
//	WithShape              norms of rows                             the last dimension alone
//	WithoutAffine          norms, DyT, Derf                          weight and bias are there
//	WithoutWeight          norms with a bias, DyT, Derf              a weight is there
//	WithoutBias            norms with a bias, DyT, Derf, Linear      a bias is there
//	WithWeightInit         norms, DyT, Derf                          1 (0 with WithZeroCentredGain)
//	WithBiasInit           norms with a bias, DyT, Derf, Linear      0
//	WithTracking           InstanceNorm                              no running statistics
//	WithUnbatched          InstanceNorm                              axis 0 is the samples
//	WithMomentum           BatchNorm, InstanceNorm                   0.1, the new value's weight, as PyTorch
//	WithCumulativeAverage  BatchNorm                                 an average by momentum
//	WithBiasedVariance     BatchNorm                                 running variance by N−1, as PyTorch
//	WithoutTracking        BatchNorm                                 running statistics in evaluation
//	WithFrozenStatistics   BatchNorm                                 the batch's statistics in training
//	WithPositions          BatchNorm                                 statistics over all axes but the features'
//	WithZeroCentredGain    RMSNorm                                   the gain is weight, not 1 + weight
//	WithPartial            RMSNorm                                   the root mean square of all features
//	WithAlpha              DyT, Derf                                 0.5
//	WithExact              GELU                                      the tanh form
//
// An option that a layer does not have is an error, and so are options that contradict
// each other, except that of WithMomentum and WithCumulativeAverage the last counts.
// Learnables are named as PyTorch names them, <name>.weight and <name>.bias. No two
// learnables of a graph have the same name.
//
// # State
//
// State is a copy of a layer's weights and statistics by PyTorch's names, as its
// state_dict has them; Load gives such values back to the layer and all its placements,
// between runs:
//
//	best := norm.State()
//	err := norm.Load(best)
//
// Load is strict: names, shapes and types must be the layer's, and only BatchNorm's count
// of batches may be missing. Every fault is in one error, after which nothing has changed.
// A Stack does so for several layers, with each layer's name before its entries.
//
// A state can be encoded with gob. Save writes the state of a layer or of a Stack to a
// file that PyTorch reads (safetensors), and LoadFile and ReadState read such files.
// (Gorgonia's tensors cannot read integers back from .npy files. num_batches_tracked is the
// only integer of a state, and a state loads without it.)
//
// BatchNorm's statistics of parts of a batch, its Moments, are combined by Sync, and
// SetStatistics makes them the running ones. A Stack's Snapshot is a copy of the
// statistics alone, for training loops that skip a step whose loss or gradient is not
// finite.
//
// # Token by token
//
// CausalSelfAttention with a KVCache keeps the keys and values of the tokens that it has
// seen, and takes the next ones alone: for sampling, in evaluation, of one sequence, and
// without a gradient. What it gives is to the last bit what it would without.
//
// # Gradients of gradients
//
// LayerNorm, RMSNorm and ScaleNorm can be differentiated twice, for a gradient penalty or a product
// with a Hessian; the inner gradient is taken with Grad, of this package. Of other
// layers, second derivatives are an error while the graph is built.
//
// # Memory
//
// Operations own their outputs and reuse them: a value read from a node, a
// scalar loss too, is valid until the graph runs again, so copy what is to be
// kept. Gorgonia may compute later operations in an earlier one's memory: to see a
// value from amid a graph, read it with gorgonia.Read. For the same reason machines
// on one graph, or on a graph and its Clone, must not run at the same time, nor two
// training graphs with one BatchNorm.
package layers
