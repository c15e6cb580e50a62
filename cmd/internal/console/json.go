package console

import (
	"bufio"
	"encoding/json"
	"io"
)

// Encode writes v as one line of JSON.
func Encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// JSONArray writes an array with one element a line, as they come.
type JSONArray struct {
	w *bufio.Writer
	n int
}

// NewJSONArray begins an array.
func NewJSONArray(w io.Writer) *JSONArray {
	return &JSONArray{w: bufio.NewWriter(w)}
}

// Add writes an element.
func (a *JSONArray) Add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	sep := ",\n"
	if a.n++; a.n == 1 {
		sep = "[\n"
	}
	_, _ = a.w.WriteString(sep)
	_, err = a.w.Write(b)
	return err
}

// End closes the array.
func (a *JSONArray) End() error {
	if a.n == 0 {
		_, _ = a.w.WriteString("[]\n")
	} else {
		_, _ = a.w.WriteString("\n]\n")
	}
	return a.w.Flush()
}
