package export

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"gorgonorm/runlog"
)

// eventFile is the name of a run's file. TensorBoard reads files with "tfevents" in their names.
const eventFile = "events.out.tfevents.0.gorgonorm"

// TensorBoard writes an event file for each run into a directory of the run's ID in dir, which is
// what tensorboard --logdir reads: scalars of what is measured at each step or probe, and a
// histogram over its places of what is measured at several. The wall time of an event is its step
// in seconds, because the records have no times and files are to be the same when a run is
// repeated. An existing file is replaced.
func TensorBoard(dir string, runs []runlog.Run) error {
	for _, r := range runs {
		folder := filepath.Join(dir, r.Config.ID())
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		write := func(w io.Writer) error { return writeEvents(w, r) }
		if err := runlog.WriteFile(filepath.Join(folder, eventFile), write); err != nil {
			return fmt.Errorf("export: %w", err)
		}
	}
	return nil
}

// writeEvents writes the events of a run by step.
func writeEvents(w io.Writer, r runlog.Run) error {
	b := bufio.NewWriter(w)
	if err := writeRecord(b, event{version: "brain.Event:2"}.encode()); err != nil {
		return err
	}
	summaries := make(map[int][]byte) // the values of each step
	for _, m := range Measures {
		byStep := make(map[int][]point)
		var steps []int
		for _, p := range m.points(r) {
			if p.step == 0 {
				continue
			}
			if byStep[p.step] == nil {
				steps = append(steps, p.step)
			}
			byStep[p.step] = append(byStep[p.step], p)
		}
		for _, step := range steps {
			summaries[step] = append(summaries[step], values(m.Name, byStep[step])...)
		}
	}
	var steps []int
	for step := range summaries {
		steps = append(steps, step)
	}
	slices.Sort(steps)
	for _, step := range steps {
		e := event{time: float64(step), step: step, summary: summaries[step]}
		if err := writeRecord(b, e.encode()); err != nil {
			return err
		}
	}
	return b.Flush()
}

// values encodes a measure at a step: a scalar for each place, and a histogram if there are
// several.
func values(name string, points []point) (b []byte) {
	var all []float64
	for _, p := range points {
		tag := name
		if p.place != "" {
			tag += "/" + p.place
		}
		b = appendMessage(b, 1, scalar(tag, float32(p.value)))
		if p.value.Finite() {
			all = append(all, float64(p.value))
		}
	}
	if len(all) > 1 {
		b = appendMessage(b, 1, histogram(name, all))
	}
	return b
}

// The messages of TensorFlow's event.proto and summary.proto, of which the fields have the numbers
// below.

// event is a record of an event file.
type event struct {
	time    float64
	step    int
	version string // of the format, in the first event
	summary []byte
}

func (e event) encode() (b []byte) {
	b = appendDouble(b, 1, e.time)
	b = protowire.AppendTag(b, 2, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(e.step))
	if e.version != "" {
		return appendMessage(b, 3, []byte(e.version))
	}
	return appendMessage(b, 5, e.summary)
}

// scalar is a Summary.Value with a simple_value.
func scalar(tag string, v float32) (b []byte) {
	b = appendMessage(b, 1, []byte(tag))
	b = protowire.AppendTag(b, 2, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, math.Float32bits(v))
}

// histogram is a Summary.Value with a HistogramProto in which each value has a bucket of its own,
// up to the value.
func histogram(tag string, vs []float64) []byte {
	sorted := slices.Sorted(slices.Values(vs))
	sum, squares := 0.0, 0.0
	var limits, counts []float64
	for _, v := range sorted {
		sum, squares = sum+v, squares+v*v
		if n := len(limits); n > 0 && limits[n-1] == v {
			counts[n-1]++
			continue
		}
		limits, counts = append(limits, v), append(counts, 1)
	}
	var h []byte
	for i, v := range []float64{sorted[0], sorted[len(sorted)-1], float64(len(sorted)), sum, squares} {
		h = appendDouble(h, protowire.Number(i+1), v)
	}
	h = appendDoubles(h, 6, limits)
	h = appendDoubles(h, 7, counts)
	return appendMessage(appendMessage(nil, 1, []byte(tag)), 5, h)
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendDoubles(b []byte, field protowire.Number, vs []float64) []byte {
	var packed []byte
	for _, v := range vs {
		packed = protowire.AppendFixed64(packed, math.Float64bits(v))
	}
	return appendMessage(b, field, packed)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeRecord writes data as a TFRecord: its length, the length's checksum, the data, its checksum
// (https://www.tensorflow.org/tutorials/load_data/tfrecord).
func writeRecord(w io.Writer, data []byte) error {
	masked := func(b []byte) uint32 {
		c := crc32.Checksum(b, castagnoli)
		return (c>>15 | c<<17) + 0xa282ead8
	}
	record := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	record = binary.LittleEndian.AppendUint32(record, masked(record))
	record = append(record, data...)
	record = binary.LittleEndian.AppendUint32(record, masked(data))
	_, err := w.Write(record)
	return err
}
