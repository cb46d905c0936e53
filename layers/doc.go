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
// Features are the last axis; all axes before it are rows. An activation may
// thus be (rows, features) or (batch, time, features).
//
// # Training and evaluation
//
// What a layer does is decided when it is placed on a graph, not by the virtual
// machine: NewX places it for training, and On places it on another graph, which
// may have another batch size, with the same weights and statistics:
//
//	eval, err := norm.On(evalGraph, layers.Evaluation)
//
// Both placements hold the same tensors, so what a solver changes in place in
// one is seen by the other. Only BatchNorm computes something else in
// Evaluation; a machine made with gorgonia.EvalMode on its training graph is
// refused when it runs, since it would change the mode of every other machine on
// that graph.
//
// # Options and defaults
//
//	option         layers                        default
//	WithName       all                           the kind: LayerNorm, and where the graph has
//	                                             that already LayerNorm_1, …
//	WithDtype      all that have learnables      float32
//	WithEps        BatchNorm, LayerNorm          1e-5
//	               RMSNorm                       machine epsilon of the dtype, as PyTorch
//	WithMomentum   BatchNorm                     0.1, the weight of the new value, as PyTorch
//	WithoutBias    BatchNorm, LayerNorm, Linear  a bias is there
//
// gamma starts at 1 and beta and biases at 0. An option that a layer does not
// have is an error. Learnables are named as PyTorch names them, <name>.weight
// and <name>.bias, and a name can be used once on a graph.
//
// # Memory
//
// Operations own their outputs and reuse them: a value read from a node, a
// scalar loss too, is valid until the graph runs again, so copy what is to be
// kept. For the same reason machines on one graph, or on a graph and its Clone,
// must not run at the same time, nor two training graphs with one BatchNorm. To
// have a layer twice, place it with On.
package layers
