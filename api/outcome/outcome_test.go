package outcome

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Only a code by which a node refuses before it does anything says that nothing
// was applied.
func TestOfCode_OfEveryCode(t *testing.T) {
	want := map[codes.Code]Reason{
		codes.Canceled: Unknown, codes.Unknown: Unknown, codes.DeadlineExceeded: Unknown, codes.Aborted: Unknown,
		codes.Internal: Unknown, codes.Unavailable: Unknown, codes.DataLoss: Unknown,
		codes.InvalidArgument: NotApplied, codes.NotFound: NotApplied, codes.AlreadyExists: NotApplied, codes.PermissionDenied: NotApplied,
		codes.Unauthenticated: NotApplied, codes.FailedPrecondition: NotApplied, codes.OutOfRange: NotApplied,
		codes.ResourceExhausted: NotApplied, codes.Unimplemented: NotApplied,
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		if got := OfCode(code); got != want[code] {
			t.Errorf("%v: %s, want %q", code, got, want[code])
		}
	}
	if got := OfCode(99); got != Unknown {
		t.Error("a code of a newer gRPC:", got)
	}
}

// What a node says of an error counts more than its code, also wrapped.
func TestOf(t *testing.T) {
	foreign, err := status.New(codes.Unavailable, "x").WithDetails(&errdetails.ErrorInfo{Domain: "elsewhere", Reason: "NOT_APPLIED"})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Domain: Domain, Reason: "NEWER", Metadata: map[string]string{"mutation": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		err  error
		want Info
		said bool
	}{
		"not applied":       {Info{Reason: NotApplied}.Status(codes.Unavailable, "x"), Info{Reason: NotApplied}, true},
		"unknown":           {Info{Reason: Unknown}.Status(codes.NotFound, "x"), Info{Reason: Unknown}, true},
		"a mutation":        {Info{Reason: NotApplied, Mutation: 7}.Status(codes.NotFound, "x"), Info{Reason: NotApplied, Mutation: 7}, true},
		"a part":            {Info{Reason: PartlyApplied, Written: 500, Mutation: 501}.Status(codes.NotFound, "x"), Info{Reason: PartlyApplied, Written: 500, Mutation: 501}, true},
		"wrapped":           {fmt.Errorf("writing: %w", Info{Reason: NotApplied}.Status(codes.Unavailable, "x")), Info{Reason: NotApplied}, true},
		"of a newer node":   {newer.Err(), Info{Reason: Unknown}, true},
		"of another domain": {foreign.Err(), Info{Reason: Unknown}, false},
		"of an older node":  {status.Error(codes.NotFound, "x"), Info{Reason: NotApplied}, false},
		"no status":         {errors.New("x"), Info{Reason: Unknown}, false},
		"a deadline":        {context.DeadlineExceeded, Info{Reason: Unknown}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Of(x.err); got != x.want {
				t.Errorf("got %+v, want %+v", got, x.want)
			}
			if _, said := Said(x.err); said != x.said {
				t.Errorf("a node said it: %v", said)
			}
		})
	}
}
