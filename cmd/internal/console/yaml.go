package console

import (
	"bytes"
	"io"

	"go.yaml.in/yaml/v3"
)

// yamlWriter turns the JSON that a command writes into YAML as it comes: a document for
// each value, with "---" between them, and the elements of an array one by one.
type yamlWriter struct {
	w   io.Writer
	buf []byte
	// depth is how many brackets are open, list that the outermost is an array's.
	depth       int
	list        bool
	text, quote bool
	// said: a value was written; some: an element of the present array was.
	said, some bool
}

// Write takes any part of a text of JSON values.
func (y *yamlWriter) Write(p []byte) (int, error) {
	for _, b := range p {
		if err := y.next(b); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (y *yamlWriter) next(b byte) error {
	switch {
	case y.text:
		y.buf = append(y.buf, b)
		y.text = y.quote || b != '"'
		y.quote = !y.quote && b == '\\'
		return nil
	case b == '[' && y.depth == 0:
		y.list, y.some, y.depth = true, false, 1
		return y.begin()
	case b == '[' || b == '{':
		y.depth++
	case b == ']' || b == '}':
		return y.close(b)
	case b == ',' && y.depth == 1 && y.list:
		return y.element()
	case b == '\n' && y.depth == 0:
		return y.value()
	}
	y.text = b == '"'
	y.buf = append(y.buf, b)
	return nil
}

// close takes the bracket that ends something.
func (y *yamlWriter) close(b byte) error {
	y.depth--
	switch {
	case y.depth > 0 || !y.list:
		y.buf = append(y.buf, b)
		return nil
	}
	err := y.element()
	if err == nil && !y.some {
		_, err = io.WriteString(y.w, "[]\n")
	}
	y.list = false
	return err
}

// begin separates what begins from the value before.
func (y *yamlWriter) begin() error {
	if !y.said {
		y.said = true
		return nil
	}
	_, err := io.WriteString(y.w, "---\n")
	return err
}

// element writes what has come of an array as its next element.
func (y *yamlWriter) element() error {
	if len(bytes.TrimSpace(y.buf)) == 0 {
		return nil
	}
	y.some = true
	return y.encode(append(append([]byte{'['}, y.buf...), ']'))
}

// value writes what has come as a document.
func (y *yamlWriter) value() error {
	if len(bytes.TrimSpace(y.buf)) == 0 {
		y.buf = y.buf[:0]
		return nil
	}
	if err := y.begin(); err != nil {
		return err
	}
	return y.encode(y.buf)
}

// encode writes a JSON value as YAML, which it is already: in blocks, one line a field.
func (y *yamlWriter) encode(value []byte) error {
	var n yaml.Node
	if err := yaml.Unmarshal(value, &n); err != nil {
		return err
	}
	inBlocks(&n)
	y.buf = y.buf[:0]
	e := yaml.NewEncoder(y.w)
	e.SetIndent(2)
	if err := e.Encode(&n); err != nil {
		return err
	}
	return e.Close()
}

// inBlocks takes away brackets, and quotes where YAML needs none.
func inBlocks(n *yaml.Node) {
	if n.Style &^= yaml.FlowStyle; n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
	}
	for _, c := range n.Content {
		inBlocks(c)
	}
}
