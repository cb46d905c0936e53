package main

const usage = `Usage: go run ./examples/stability [flags]

Trains the same character-level transformer under each norm at each learning rate,
with the same seeds, initial weights and batches, and measures how stable the runs
stay. Every flag that takes a list is an axis of a grid; a run is made for each
combination:

  go run ./examples/stability                              four norms, seven rates
  go run ./examples/stability -lr 1e-3                     four runs, in a minute
  go run ./examples/stability -norms layer,rms -seeds 3    is there a difference?
  go run ./examples/stability -placement pre,post,peri -qknorm off,on

The plan comes first, with an estimate of its time; progress goes to standard
error, the result to standard output and, as report.html, into -out beside what
each run measured. A run that is finished is not run again: the same command goes
on where it was stopped, and one with more values adds to what is there. One whose
files are damaged is made again, and left out of a report, with the reason. Ctrl-C
ends the runs at hand and reports what there is.

With -init the runs start from weights that were trained before, this program's own
or a nanoGPT checkpoint's, and go on with them on -data:

  go run ./examples/stability -init runs/layer-pre-lr0.003-seed1 -out tuned -lr 1e-4,3e-4,1e-3

Under each norm a model takes from the file what has its names and shapes, and starts
for the rest as it would without; what that is is said before the runs begin. The
characters keep the ids that they have in the checkpoint's vocabulary, and the models
its size.

Many machines share a grid through -shard, or as a Slurm job array:

  sbatch examples/stability/slurm.sbatch -out DIR
  go run ./examples/stability -report-only -out DIR

Flags:
`
