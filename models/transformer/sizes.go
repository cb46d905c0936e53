package transformer

import "cmp"

// Sizes are those that a file's names, shapes and metadata tell of its model, and
// whether that has biases; zero where they do not tell. The file is one that
// LoadMatching can have.
func Sizes(path string) (Config, error) {
	w, err := openWeights(path)
	if err != nil {
		return Config{}, err
	}
	defer w.Close()
	c := Config{
		Vocab:    w.dim(wteWeight, 0),
		Context:  w.dim(wpeWeight, 0),
		Layers:   w.layers(),
		Channels: cmp.Or(w.dim(wteWeight, 1), w.dim(wpeWeight, 1)),
		Bias:     w.has("transformer.h.0.attn.c_attn.bias"),
	}
	if c.Heads, err = w.heads(c); err == nil {
		err = w.room(c)
	}
	if err != nil {
		return Config{}, w.errorf([]string{err.Error()})
	}
	return c, nil
}
