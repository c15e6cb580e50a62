package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/jepsen/cluster"
	"github.com/sipcluster/sipcluster/jepsen/history"
)

// Registers and elements of the set are DNs of kind pstn; a register's value
// is its external number.
const (
	registerPrefix = "reg-"
	elementPrefix  = "set-"
)

// Values gives every write a value of its own.
type Values struct{ last atomic.Int64 }

func (v *Values) next() string { return fmt.Sprint(v.last.Add(1)) }

// Configuration is an administrator who reads and writes registers, by
// compare-and-set and without, and adds elements to the set.
type Configuration struct {
	*Site
	Name   string
	Values *Values
	// Keys is how many registers there are.
	Keys int
	// Every is the mean time between two operations.
	Every time.Duration

	conns map[*cluster.Node]*grpc.ClientConn
	// known are the revisions and values that this client read last.
	known map[string]read
}

type read struct {
	revision uint64
	value    string
}

// opWithin is how long an administrator waits for an answer.
const opWithin = 5 * time.Second

// Run works until ctx ends.
func (w *Configuration) Run(ctx context.Context) error {
	r := w.random(w.Name)
	w.conns, w.known = map[*cluster.Node]*grpc.ClientConn{}, map[string]read{}
	defer func() {
		for _, c := range w.conns {
			_ = c.Close()
		}
	}()
	for pause(ctx, between(r, w.Every/2, w.Every*3/2)) {
		n := running(w.Cluster, r)
		if n == nil {
			continue
		}
		client, err := w.client(n)
		if err != nil {
			return err
		}
		w.one(ctx, r, n, client)
	}
	return nil
}

func (w *Configuration) client(n *cluster.Node) (configpb.ConfigurationClient, error) {
	if w.conns[n] == nil {
		c, err := n.Dial(cluster.TCPort)
		if err != nil {
			return nil, err
		}
		w.conns[n] = c
	}
	return configpb.NewConfigurationClient(w.conns[n]), nil
}

// running is a random node whose process is there; nil without one.
func running(c *cluster.Cluster, r *rand.Rand) *cluster.Node {
	nodes := c.Nodes()
	for _, i := range r.Perm(len(nodes)) {
		if nodes[i].Running() {
			return nodes[i]
		}
	}
	return nil
}

func (w *Configuration) one(ctx context.Context, r *rand.Rand, n *cluster.Node, c configpb.ConfigurationClient) {
	op := history.Op{Process: w.Name, Node: n.Name(), Key: fmt.Sprintf("%s%d", registerPrefix, r.IntN(w.Keys))}
	k, known := w.known[op.Key]
	switch p := r.IntN(100); {
	case p < 40:
		w.read(ctx, op, c)
	case p < 70 && known:
		op.Kind, op.From, op.Arg = history.Swap, k.value, w.Values.next()
		w.write(ctx, op, c, put(op.Key, op.Arg), &k.revision)
	case p < 74 && known && k.value != "":
		op.Kind = history.Write
		w.write(ctx, op, c, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: op.Key}}, nil)
	case p < 85:
		op.Kind, op.Arg = history.Write, w.Values.next()
		w.write(ctx, op, c, put(op.Key, op.Arg), nil)
	default:
		v := w.Values.next()
		op.Kind, op.Key = history.Add, elementPrefix+v
		w.write(ctx, op, c, put(op.Key, v), new(uint64))
	}
}

// put sets a register.
func put(key, value string) *configpb.Mutation {
	return &configpb.Mutation{Op: &configpb.Mutation_PutDn{PutDn: &configpb.DN{
		Number: key, Kind: configpb.DNKind_DN_KIND_PSTN, External: "+49" + value}}}
}

// EntryOf is what an administrator has written into a DN; false for what is no register
// and no element of the set.
func EntryOf(d *configpb.DN) (history.Entry, bool) {
	return history.Entry{Key: d.GetNumber(), Value: valueOf(d)}, isEntry(d)
}

func isEntry(d *configpb.DN) bool {
	return strings.HasPrefix(d.GetNumber(), registerPrefix) || strings.HasPrefix(d.GetNumber(), elementPrefix)
}

// valueOf is what put wrote; an element of the set has none.
func valueOf(d *configpb.DN) string {
	if strings.HasPrefix(d.GetNumber(), elementPrefix) {
		return ""
	}
	return strings.TrimPrefix(d.GetExternal(), "+49")
}

func (w *Configuration) read(ctx context.Context, op history.Op, c configpb.ConfigurationClient) {
	op.Kind = history.Read
	op = w.Record.Invoke(op)
	ask, cancel := patience(ctx, opWithin)
	defer cancel()
	answer, err := c.GetDN(ask, &configpb.GetDNRequest{Number: op.Key, Linearizable: true})
	op.Code = status.Code(err).String()
	switch status.Code(err) {
	case codes.OK:
		op.Outcome, op.Result = history.OK, valueOf(answer.GetDn())
		w.known[op.Key] = read{answer.GetDn().GetRevision(), op.Result}
	case codes.NotFound:
		op.Outcome = history.OK
		w.known[op.Key] = read{}
	default: // a read that got no answer changed nothing
		op.Outcome, op.Error = history.Fail, err.Error()
	}
	w.Record.Return(op)
}

func (w *Configuration) write(ctx context.Context, op history.Op, c configpb.ConfigurationClient, m *configpb.Mutation, revision *uint64) {
	if revision != nil {
		m.IfRevision = proto.Uint64(*revision)
	}
	op = w.Record.Invoke(op)
	ask, cancel := patience(ctx, opWithin)
	defer cancel()
	answer, err := c.Write(ask, &configpb.WriteRequest{Mutations: []*configpb.Mutation{m}})
	w.outcome(&op, answer.GetRevision(), err)
	w.Record.Return(op)
}

// outcome says what is known after a write.
func (w *Configuration) outcome(op *history.Op, revision uint64, err error) {
	op.Code = status.Code(err).String()
	if err != nil {
		op.Error = status.Convert(err).Message()
	}
	switch code := status.Code(err); {
	case code == codes.OK:
		op.Outcome, op.Swapped, op.Revision = history.OK, op.Kind == history.Swap, revision
		if op.Arg == "" {
			revision = 0
		}
		w.known[op.Key] = read{revision, op.Arg}
	case code == codes.NotFound && op.Kind == history.Write: // the delete of what is not there
		op.Outcome = history.OK
		w.known[op.Key] = read{}
	case code == codes.FailedPrecondition && op.Kind == history.Swap:
		op.Outcome = history.OK
		delete(w.known, op.Key)
	case outcome.Of(err).Reason == outcome.NotApplied:
		op.Outcome = history.Fail
	default:
		op.Outcome = history.Unknown
		delete(w.known, op.Key)
	}
}
