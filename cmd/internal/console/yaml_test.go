package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Whatever a command writes as JSON, in whatever parts, is the same as YAML.
func TestYAML_IsTheJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	words := []string{"", "1001", "true", "null", "~", "- a", "a: b", "#", "0x1f", "1e3", "2026-11-26T22:36:52Z", "it's \"so\"", "line\nfeed", "\u001b[31m", "täg", "[", "]}", "a,b", "\\", "yes", " x "}
	var value func(depth int) any
	value = func(depth int) any {
		switch k := r.IntN(7); {
		case k == 0:
			return nil
		case k == 1:
			return r.IntN(2) == 0
		case k == 2:
			return float64(r.IntN(1000))
		case k == 3 && depth > 0:
			list := []any{}
			for range r.IntN(4) {
				list = append(list, value(depth-1))
			}
			return list
		case k == 4 && depth > 0:
			m := map[string]any{}
			for range r.IntN(4) {
				m[words[r.IntN(len(words))]] = value(depth - 1)
			}
			return m
		}
		return words[r.IntN(len(words))]
	}
	for range 3000 {
		var written bytes.Buffer
		var want []any
		for range 1 + r.IntN(3) {
			v := value(3)
			if r.IntN(2) == 0 {
				v = map[string]any{"v": v}
			}
			want = append(want, v)
			if list, ok := v.([]any); ok && r.IntN(2) == 0 {
				a := NewJSONArray(&written)
				for _, x := range list {
					_ = a.Add(x)
				}
				_ = a.End()
			} else if err := Encode(&written, v); err != nil {
				t.Fatal(err)
			}
		}
		text := written.String()
		var out bytes.Buffer
		y := &yamlWriter{w: &out}
		for written.Len() > 0 {
			if _, err := y.Write(written.Next(1 + r.IntN(20))); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		var got []any
		for d := yaml.NewDecoder(&out); ; {
			var v any
			err := d.Decode(&v)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			b, err := json.Marshal(v)
			if err == nil {
				v = nil
				err = json.Unmarshal(b, &v)
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nis as YAML %#v\nwant %#v", text, got, want)
		}
	}
}

// Elements come as they are written, and fields keep their order.
func TestYAML_ComesElementByElement(t *testing.T) {
	var out bytes.Buffer
	y := &yamlWriter{w: &out}
	for i, c := range []struct{ part, want string }{
		{"[\n", ""},
		{`{"z":"1","a":[1,2],"n":{}}`, ""},
		{",\n", "- z: \"1\"\n  a:\n    - 1\n    - 2\n  n: {}\n"},
		{`"x"]`, "- x\n"},
		{"\n[]\n", "---\n[]\n"},
		{"{\"k\":null}\n", "---\nk: null\n"},
	} {
		if _, err := fmt.Fprint(y, c.part); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != c.want {
			t.Errorf("part %d: %q, want %q", i, got, c.want)
		}
		out.Reset()
	}
}
