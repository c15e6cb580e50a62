// Package bounds says how much a request may hold: one table of every field of
// every request of every service, and the interceptors that refuse more. What
// a package below checks by itself stays there; the table names its limit and
// the package. Package node puts the interceptors in front of every gRPC port.
package bounds

import (
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Sort is what a Bound counts.
type Sort uint8

const (
	// Text counts the bytes of a string or of bytes.
	Text Sort = iota + 1
	// Items counts the elements of a list or a map; its elements have bounds of
	// their own.
	Items
	// Number is the value of a number itself.
	Number
	// Any is a number without a size in it: a position, an identity, a clock.
	Any
	// Whole counts the bytes of a message as a whole.
	Whole
)

// Bound is the least and the most of what a field may hold.
type Bound struct {
	Sort     Sort
	Min, Max uint64
	// By names the package below that refuses; "" is this one.
	By string
	// Capped: a greater number counts as Max and is not refused.
	Capped bool
	// Hint says what to do instead.
	Hint string
}

// Of returns the bound of a field, or of a message as a whole, by its full name.
func Of(name protoreflect.FullName) (Bound, bool) {
	b, ok := table[name]
	return b, ok
}

// Check returns what exceeds its bound first, as a gRPC status INVALID_ARGUMENT
// that names the field, its size and the bound; nil when all is within. The
// values of enums must be known.
func Check(m proto.Message) error {
	if m == nil {
		return nil
	}
	text := planOf(m.ProtoReflect().Descriptor()).check(m.ProtoReflect(), "")
	if text == "" {
		return nil
	}
	return status.Error(codes.InvalidArgument, text)
}

// refuses tells in words why n is not within a bound that is enforced here; ""
// when it is.
func (b Bound) refuses(path string, n uint64) string {
	switch {
	case b.Min <= n && n <= b.Max:
		return ""
	case b.Sort == Text:
		return fmt.Sprintf("%s has %d bytes: at most %d%s", path, n, b.Max, b.Hint)
	case b.Sort == Items:
		return fmt.Sprintf("%s has %d elements: at most %d%s", path, n, b.Max, b.Hint)
	case n < b.Min:
		return fmt.Sprintf("%s is %d: at least %d%s", path, n, b.Min, b.Hint)
	default:
		return fmt.Sprintf("%s is %d: at most %d%s", path, n, b.Max, b.Hint)
	}
}
