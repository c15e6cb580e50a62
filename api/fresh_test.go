package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// exported reads an export to its end: the number of objects of each message.
func exported(s configpb.Configuration_ExportClient, err error) (sizes []int, _ error) {
	for err == nil {
		var r *configpb.ExportResponse
		if r, err = s.Recv(); err == nil {
			sizes = append(sizes, len(r.GetGroups())+len(r.GetDns()))
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return sizes, err
}

// Who wants to read all acknowledged writes is refused without a quorum; who
// doesn't is served.
func TestConfiguration_LinearizableReadsNeedAQuorum(t *testing.T) {
	l, c := configuration(t)
	if _, err := c.Write(t.Context(), &configpb.WriteRequest{Mutations: []*configpb.Mutation{putPhone("1000")}}); err != nil {
		t.Fatal(err)
	}
	l.fail = fsm.ErrNoQuorum
	for name, read := range map[string]func(linearizable bool) error{
		"GetDN": func(x bool) error {
			_, err := c.GetDN(t.Context(), &configpb.GetDNRequest{Number: "1000", Linearizable: x})
			return err
		},
		"ListNodes": func(x bool) error {
			_, err := c.ListNodes(t.Context(), &configpb.ListNodesRequest{Linearizable: x})
			return err
		},
		"Export": func(x bool) error {
			_, err := exported(c.Export(t.Context(), &configpb.ExportRequest{Linearizable: x}))
			return err
		},
	} {
		if err := read(true); status.Code(err) != codes.Unavailable {
			t.Errorf("%s, linearizable: %v", name, err)
		}
		if err := read(false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A write that is sent again with its request id is done once.
func TestWrite_TheRequestIDMakesARetrySafe(t *testing.T) {
	l, c := configuration(t)
	write := func(id string) uint64 {
		t.Helper()
		w, err := c.Write(t.Context(), &configpb.WriteRequest{RequestId: id, Mutations: []*configpb.Mutation{putPhone("1000")}})
		if err != nil {
			t.Fatal(err)
		}
		return w.GetRevision()
	}
	first := write("r1")
	if again := write("r1"); l.m.View().DN("1000").GetRevision() != first {
		t.Errorf("written again: the revision is %d, was %d (told %d)", l.m.View().DN("1000").GetRevision(), first, again)
	}
	if other := write("r2"); other <= first || l.m.View().DN("1000").GetRevision() != other {
		t.Errorf("another request was not done: revision %d behind %d", other, first)
	}
}

// The id of a write, given to another one, is refused as what was not done.
func TestWrite_ARequestIDOfAnotherContentIsRefused(t *testing.T) {
	l, c := configuration(t)
	write := func(number string) error {
		_, err := c.Write(t.Context(), &configpb.WriteRequest{RequestId: "r1", Mutations: []*configpb.Mutation{putPhone(number)}})
		return err
	}
	if err := write("1000"); err != nil {
		t.Fatal(err)
	}
	if err := write("1001"); status.Code(err) != codes.AlreadyExists || outcome.Of(err).Reason != outcome.NotApplied || l.m.View().DN("1001") != nil {
		t.Errorf("%v, %v", err, outcome.Of(err))
	}
}

// However large the configuration, a message of an export is not, and each
// object is in one of them.
func TestExport_MessagesAreBounded(t *testing.T) {
	_, c := configuration(t)
	for _, many := range []int{0, 499, 500, 501} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			ms := []*configpb.Mutation{putGroup("g")}
			for i := range many {
				ms = append(ms, putPhone(fmt.Sprint(1000+i), "g"))
			}
			if _, err := imported(t, c, ms); err != nil {
				t.Fatal(err)
			}
			sizes, err := exported(c.Export(t.Context(), &configpb.ExportRequest{}))
			sum := 0
			for _, n := range sizes {
				sum += n
				if n > exportChunk {
					t.Errorf("%d objects in a message", n)
				}
			}
			if err != nil || sum != many+1 || len(sizes) > 2 {
				t.Errorf("%d objects, want %d, in %d messages: %v", sum, many+1, len(sizes), err)
			}
		})
	}
}

// An import waits for the one before it, for a while, and gets its place.
func TestImport_WaitsForTheOneBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		ends, after time.Duration
		want        codes.Code
	}{
		"that goes on":          {time.Minute, importWait, codes.ResourceExhausted},
		"that ends just then":   {importWait - time.Second, importWait - time.Second + importSilence, codes.DeadlineExceeded},
		"and its client leaves": {time.Minute, 2 * time.Second, codes.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := NewConfiguration(fsm.Empty, nil)
				first, endFirst := context.WithTimeout(t.Context(), tc.ends)
				defer endFirst()
				ended := make(chan error, 1)
				go func() { ended <- c.Import(silence(first)) }()
				synctest.Wait()
				ctx, cancel := context.WithCancel(t.Context())
				if tc.want == codes.Canceled {
					time.AfterFunc(tc.after, cancel)
				}
				defer cancel()
				began := time.Now()
				err := c.Import(silence(ctx))
				if status.Code(err) != tc.want || time.Since(began) != tc.after {
					t.Errorf("after %v, want %v: %v", time.Since(began), tc.after, err)
				}
				endFirst()
				if err := patience.Receive(t, "the end of the first import", ended); err == nil {
					t.Error("the first import ended well")
				}
			})
		})
	}
}

func TestStatusError_OfWhatEndedItself(t *testing.T) {
	lost := fmt.Errorf("asking: %w", status.Error(codes.Aborted, "x"))
	for err, want := range map[error]codes.Code{
		context.Canceled: codes.Canceled, fmt.Errorf("waiting: %w", context.DeadlineExceeded): codes.DeadlineExceeded, lost: codes.Aborted,
		fmt.Errorf("%w: %w", fsm.ErrNoQuorum, context.DeadlineExceeded): codes.Unavailable,
	} {
		if got := status.Code(StatusError(err)); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}
