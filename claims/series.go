package claims

import (
	"encoding/json"

	"gorgonorm/runlog"
)

// series is a list of measurements. A run that diverges gives some that are not finite: JSON
// has no such numbers, so that the list writes them as strings.
type series []float64

// MarshalJSON writes the list, with numbers that are not finite as runlog.Float writes them.
func (s series) MarshalJSON() ([]byte, error) {
	if s == nil {
		return []byte("null"), nil
	}
	floats := make([]runlog.Float, len(s))
	for i, v := range s {
		floats[i] = runlog.Float(v)
	}
	return json.Marshal(floats)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *series) UnmarshalJSON(data []byte) error {
	var floats []runlog.Float
	if err := json.Unmarshal(data, &floats); err != nil {
		return err
	}
	*s = nil
	for _, v := range floats {
		*s = append(*s, float64(v))
	}
	return nil
}
