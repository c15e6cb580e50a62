// Package clienttest is for the tests of commands: an invocation that writes to
// a buffer, at noon.
package clienttest

import (
	"bytes"
	"cmp"
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

var (
	// Noon is when the tests of commands take place.
	Noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	// Since is 3 min 12 s before.
	Since = timestamppb.New(Noon.Add(-192 * time.Second))
)

// Plain is an invocation that writes to a buffer.
func Plain() (*client.Operator, *bytes.Buffer) {
	out := &bytes.Buffer{}
	return &client.Operator{Console: &console.Console{
		Out: out, Err: &bytes.Buffer{}, In: &bytes.Buffer{},
		Getenv: getenv, Now: func() time.Time { return Noon },
		Terminal: func(uintptr) bool { return false },
	}}, out
}

// getenv knows of contexts alone: those of the test that sets SIPCLUSTER_CONTEXTS in
// its own environment, and else none.
func getenv(name string) string {
	if name != "SIPCLUSTER_CONTEXTS" {
		return ""
	}
	return cmp.Or(os.Getenv(name), "/nonexistent/contexts.yaml")
}

// Line is v as a line of JSON.
func Line(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	if err := console.Encode(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Same wants two texts to be equal.
func Same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
