package feed

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestCursor_ComesBackAsItWasGiven(t *testing.T) {
	for _, c := range []Cursor{{}, {1, 0, 0}, {7, 5, 0}, {7, 0, 5}, {MaxIncarnation, math.MaxUint64, math.MaxUint64}} {
		b := c.Bytes()
		if got, err := ParseCursor(b); got != c || err != nil || len(b) > MaxCursor {
			t.Errorf("%+v: %d bytes, %+v, %v", c, len(b), got, err)
		}
	}
}

func TestCursor_RefusesWhatNoNodeGave(t *testing.T) {
	good := Cursor{7, 300, 300}.Bytes()
	for name, b := range map[string][]byte{
		"text": []byte("begin"), "cut": good[:len(good)-1], "more": append(bytes.Clone(good), 0), "only the form": {cursorForm},
		"of another form": append([]byte{cursorForm + 1}, good[1:]...), "of an impossible start": Cursor{MaxIncarnation + 1, 1, 1}.Bytes(),
	} {
		if c, err := ParseCursor(b); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(Cursor{7, 5, 3}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCursor(b)
		if err != nil {
			return
		}
		if again, err := ParseCursor(c.Bytes()); again != c || err != nil {
			t.Errorf("%x: %+v, then %+v, %v", b, c, again, err)
		}
	})
}
