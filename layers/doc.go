// Package layers provides neural-network layers for Gorgonia graphs, above all normalization. Each
// layer is one fused operation for float32 and float64. Its gradient is available to gorgonia.Grad
// and to a LispMachine.
//
// A constructor adds a layer's learnables to a graph as nodes. Forward applies the layer, once or
// several times:
//
//	norm, err := layers.NewLayerNorm(g, 128, layers.WithName("ln_1"))
//	y, err := norm.Forward(x) // x has shape (..., 128)
//	grads, err := gorgonia.Grad(cost, norm.Learnables()...)
//
// # Shapes
//
// Features are the last axis and all axes before it are rows, so an activation may have shape (rows,
// features) or (batch, time, features). WithAxis chooses another axis, as for images. LayerNorm,
// RMSNorm and ScaleNorm can have several. GroupNorm and InstanceNorm take axis 0 for the samples.
//
// ForwardMasked, which all norms have except ScaleNorm, DyT and Derf, ignores a part of the input.
//
// # Which norm
//
//	BatchNorm     a feature over all rows: needs batches that look like the data
//	LayerNorm     a row over its features: mean 0, variance 1
//	RMSNorm       a row over its features: root mean square 1, no mean subtracted
//	ScaleNorm     RMSNorm with one gain for all features
//	GroupNorm     a sample's features, in groups, over positions: for images
//	InstanceNorm  GroupNorm with a group for each feature
//	DyT, Derf     no statistics: a tanh, or an erf, of each element, in place of a norm
//	QKNorm        row norms of attention's queries and keys
//
// # Training and evaluation
//
// BatchNorm, and InstanceNorm with WithTracking, compute something else in evaluation than in
// training. A placement of a layer on a graph has one of the two modes. A constructor places the
// layer for training. On places it once more, on the same graph or on another, with the same weights
// and statistics. The input may have another batch size there:
//
//	eval, err := norm.On(g, layers.Evaluation)
//	prediction, err := eval.Forward(x)
//
// Two placements on one graph share the nodes of the learnables, so an evaluation branch has the
// weights of the training branch. The branches can share nodes of your own weights as well. Make a
// machine for each branch:
//
//	train := gorgonia.NewTapeMachine(g.SubgraphRoots(append(grads, cost)...),
//		gorgonia.BindDualValues(norm.Learnables()...))
//	test := gorgonia.NewTapeMachine(g.SubgraphRoots(prediction))
//
// Two placements on different graphs have different nodes with the same memory. What a solver
// changes in place on one graph therefore changes on the other. To share the memory of a weight w of
// your own:
//
//	gorgonia.NewMatrix(evalGraph, w.Dtype(), gorgonia.WithName(w.Name()),
//		gorgonia.WithShape(w.Shape()...), gorgonia.WithValue(w.Value()))
//
// gorgonia.Let and gob give a node memory of its own. If the layer is on two graphs, it is an error
// to run or place it after that. Set the values of a layer with Load instead.
//
// An Evaluation placement evaluates under every machine. A Training placement takes its mode from
// the machine: a TapeMachine made with gorgonia.EvalMode evaluates, and every other TapeMachine
// trains, in whatever order they are made and run. A machine without EvalMode trains even if it runs
// the prediction alone, as on g.SubgraphRoots(prediction): it normalizes by the batch and changes the
// running statistics. To evaluate a Training placement, use EvalMode:
//
//	gorgonia.NewTapeMachine(g.SubgraphRoots(prediction), gorgonia.EvalMode())
//
// A machine whose mode is ambiguous returns an error when it runs. Examples are LispMachines of both
// modes on one graph, a compiled program that a machine of another mode takes over, and a graph and
// its Clone in two modes.
//
// A LispMachine that computes gradients requires that every root of its graph is a scalar. The
// learnables of a layer that is not applied are roots, and so is an evaluation branch. Give the
// machine the subgraph: gorgonia.NewLispMachine(g.SubgraphRoots(cost)).
//
// Fold merges a trained BatchNorm into the Linear before it, for evaluation.
//
// docs/from-gorgonia.md describes how to replace gorgonia.BatchNorm, argument by argument.
//
// # Options and defaults
//
//	option                 layers                                    default
//	WithName               all                                       the kind, numbered if the graph has that
//	                                                                 name: LayerNorm, LayerNorm_1, …
//	WithDtype              all that have learnables                  float32
//	WithEps                BatchNorm, LayerNorm, GroupNorm,          1e-5
//	                       InstanceNorm, ScaleNorm
//	                       RMSNorm                                   machine epsilon of the dtype, as PyTorch
//	WithAxis               norms                                     -1, the last axis; in norms of rows
//	                                                                 as many as WithShape has sizes
//	WithShape              norms of rows                             the last dimension alone
//	WithoutAffine          norms, DyT, Derf                          has a weight and, if it can, a bias
//	WithoutWeight          norms with a bias, DyT, Derf              has a weight
//	WithoutBias            norms with a bias, DyT, Derf, Linear      has a bias
//	WithWeightInit         norms, DyT, Derf                          1 (0 with WithZeroCentredGain)
//	WithBiasInit           norms with a bias, DyT, Derf, Linear      0
//	WithTracking           InstanceNorm                              no running statistics
//	WithUnbatched          InstanceNorm                              axis 0 is the samples
//	WithMomentum           BatchNorm, InstanceNorm                   0.1, the new value's weight, as PyTorch
//	WithCumulativeAverage  BatchNorm                                 an average by momentum
//	WithBiasedVariance     BatchNorm                                 running variance by N−1, as PyTorch
//	WithoutTracking        BatchNorm                                 running statistics in evaluation
//	WithFrozenStatistics   BatchNorm                                 the batch's statistics in training
//	WithPositions          BatchNorm                                 statistics over all axes except features
//	WithZeroCentredGain    RMSNorm                                   the gain is weight, not 1 + weight
//	WithPartial            RMSNorm                                   the root mean square of all features
//	WithAlpha              DyT, Derf                                 0.5
//	WithExact              GELU                                      the tanh form
//
// It is an error to give an option to a layer that does not take it, or options that contradict each
// other. Of WithMomentum and WithCumulativeAverage the last one counts. Learnables have PyTorch's
// names, <name>.weight and <name>.bias. No two learnables of a graph have the same name.
//
// # State
//
// State returns a copy of a layer's weights and statistics by PyTorch's names, like its state_dict.
// Load copies such values into the layer and all its placements, between runs:
//
//	best := norm.State()
//	err := norm.Load(best)
//
// Load is strict: names, shapes and types must be the layer's, except that BatchNorm's count of
// batches may be missing. Otherwise Load changes nothing and returns one error with every fault. A
// Stack has a State of several layers, with each layer's name before its entries.
//
// Gob encodes a State. Save writes the State of a layer or Stack to a safetensors file, which PyTorch
// reads, and LoadFile and ReadState read such files. (Gorgonia's tensors cannot read integers from
// .npy files. The only integer of a State is num_batches_tracked, and Load does not need it.)
//
// CombineMoments combines the statistics of parts of a batch, which BatchNorm.Moments returns, and
// SetStatistics makes them the running ones. Stack.Snapshot copies the running statistics alone, for
// training loops that skip a step whose loss or gradient is not finite.
//
// # Token by token
//
// CausalSelfAttention with a KVCache keeps the keys and values of past tokens, so that its input is
// the next tokens alone. It is for sampling from one sequence, in evaluation and without gradients.
// Its results equal those without a cache to the last bit.
//
// # Gradients of gradients
//
// LayerNorm, RMSNorm and ScaleNorm can be differentiated twice, for a gradient penalty or a product
// with a Hessian. Take the inner gradient with this package's Grad. For other layers, building a
// second derivative is an error.
//
// # Sizes
//
// A tensor has at most 2³⁶ elements, or 2²⁸ − 1 if an int has 32 bits.
//
// The result of an input without rows has no rows, and gradients are 0. Make the value of such an
// input with tensor.New from its shape and, for tensor.WithBacking, an empty slice. Dense.Data
// panics at tensors without elements, and so do Gorgonia's own operations. That includes the sum of
// gradients for a node that is used twice or bound by BindDualValues.
//
// # Memory
//
// Operations own their outputs and reuse them. A value that is read from a node, even a scalar loss, is valid
// until the graph runs again, so copy what you keep. Gorgonia may store later operations' results in
// the memory of earlier ones: use gorgonia.Read for a value from the middle of a graph. For the same
// reason, machines on one graph, or on a graph and its Clone, must not run at the same time. Neither
// must two training graphs with one BatchNorm.
package layers
