// Package number is the directory number (DN) as both planes write it: its form
// and its length. It knows neither what a DN is configured as, which is fsm's,
// nor whether it is in service, which is node/dn's; both check numbers by it.
package number

import (
	"errors"
	"fmt"
)

// Number is a directory number: 1 to 64 characters of A-Z a-z 0-9 + - . _ * #.
type Number string

// Max is the greatest length of a Number in bytes.
const Max = 64

// Err says that a text is not a Number.
var Err = errors.New("not a DN: want 1 to 64 characters of A-Z a-z 0-9 + - . _ * #")

// Parse checks s. The error wraps Err.
func Parse(s string) (Number, error) {
	if !Valid(s) {
		return "", fmt.Errorf("%.70q: %w", s, Err)
	}
	return Number(s), nil
}

// Valid tells whether s, a string or bytes, has the form of a Number.
func Valid[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > Max {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c == '+', c == '-', c == '.', c == '_', c == '*', c == '#':
		default:
			return false
		}
	}
	return true
}
