package main

const usage = `Usage: go run ./examples/stability [flags]

Trains the same character-level transformer with each norm at each learning
rate, with the same seeds, initial weights and batches, and measures how stable
the runs are. Each flag that takes a list is an axis of a grid, which has a run
for each combination:

  go run ./examples/stability                            four norms, seven rates
  go run ./examples/stability -lr 1e-3                   four runs, in a minute
  go run ./examples/stability -norms layer,rms -seeds 3  is there a difference?
  go run ./examples/stability -placement pre,post,peri -qknorm off,on
  go run ./examples/stability -serve :0                  watch it in a browser

Prints a plan with an estimate of the time, then progress, to standard error,
unless -q is given.
Prints the result to standard output and writes it to report.html in -out,
beside the directories of the runs, and the losses by learning rate as a picture
to rates.svg. Finished runs are not run again: the same command resumes where it
stopped, also inside of a run, even if it was killed, and a command with more
values adds to the runs in -out. Runs with damaged files are run again, and left
out of a report, with the reason. Ctrl-C ends the current runs and reports on
those in -out.

With -init the runs start from trained weights, those of a run or of a nanoGPT
checkpoint, and continue to train them on -data:

  go run ./examples/stability -init runs/layer-pre-lr0.003-seed1 \
      -out tuned -lr 1e-4,3e-4,1e-3

A model loads the tensors with the names and shapes of its own, and initializes
the others as without -init. The plan lists what each norm loads. Models have
the sizes of the checkpoint, and its vocabulary if that has all characters of
the text.

Several machines share a grid with -shard, or as a Slurm job array:

  sbatch examples/stability/slurm.sbatch -out DIR
  go run ./examples/stability -report-only -out DIR

Flags:
`
