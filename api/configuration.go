package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/access"
	"github.com/sipcluster/sipcluster/api/bounds"
	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/outcome"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Limits of the Configuration service.
const (
	// MaxWrite mutations make one Raft entry, of less than MaxWriteBytes.
	MaxWrite      = bounds.MaxWrite
	MaxWriteBytes = bounds.MaxWriteBytes
	// MaxImport mutations, of MaxImportBytes in all, are held in memory while
	// an import is checked.
	MaxImport      = 1_000_000
	MaxImportBytes = 256 << 20
	// exportChunk objects are sent in one message.
	exportChunk = 500
)

// Writer is the configuration plane as Configuration needs it. Its errors are
// those of package consensus.
type Writer interface {
	Proposer
	// ReadIndex returns when this node's View includes all acknowledged writes.
	ReadIndex(ctx context.Context) error
}

// Configuration is the service of that name.
type Configuration struct {
	configpb.UnimplementedConfigurationServer
	view   func() *fsm.View
	writer Writer
	// importing has room for one import: each may hold MaxImportBytes.
	importing chan struct{}
	limits    importLimits
}

// importLimits are MaxImport, MaxImportBytes and importSilence.
type importLimits struct {
	mutations, bytes int
	silence          time.Duration
}

// importSilence ends an import whose client sends nothing more.
const importSilence = 30 * time.Second

// importWait is how long an import waits for the one before it.
const importWait = 5 * time.Second

// NewConfiguration returns the service; it starts nothing.
func NewConfiguration(view func() *fsm.View, w Writer) *Configuration {
	return &Configuration{
		view: view, writer: w, importing: make(chan struct{}, 1),
		limits: importLimits{MaxImport, MaxImportBytes, importSilence},
	}
}

// Write applies all mutations or none.
func (c *Configuration) Write(ctx context.Context, r *configpb.WriteRequest) (*configpb.WriteResponse, error) {
	cmd := command(r.GetMutations())
	cmd.RequestId = r.GetRequestId()
	switch {
	case len(r.GetMutations()) == 0:
		return nil, status.Error(codes.InvalidArgument, "no mutation given")
	case len(r.GetMutations()) > MaxWrite || proto.Size(cmd) > MaxWriteBytes:
		return nil, status.Errorf(codes.InvalidArgument, "a write has at most %d mutations and %d bytes, this one has %d and %d: use Import",
			MaxWrite, MaxWriteBytes, len(r.GetMutations()), proto.Size(cmd))
	case len(r.GetRequestId()) > fsm.MaxRequestID:
		return nil, status.Errorf(codes.InvalidArgument, "request_id is longer than %d bytes", fsm.MaxRequestID)
	}
	if err := c.permits(ctx, r.GetMutations()); err != nil {
		return nil, err
	}
	index, err := c.writer.Propose(ctx, cmd)
	if err != nil {
		return nil, StatusError(err)
	}
	return &configpb.WriteResponse{Revision: index}, nil
}

// permits refuses what has requests of its own, and what the client's role does not
// change; the state machine refuses the latter again.
func (c *Configuration) permits(ctx context.Context, ms []*configpb.Mutation) error {
	if err := public(ms); err != nil {
		return err
	}
	who := access.From(ctx)
	if who == nil {
		return nil
	}
	view := c.view()
	for i, m := range ms {
		if err := view.Permits(who.Role, m); err != nil {
			return outcome.Info{Reason: outcome.NotApplied, Mutation: i + 1}.Status(codes.PermissionDenied, err.Error())
		}
	}
	return nil
}

// public refuses what has requests of its own, in the service Access.
func public(ms []*configpb.Mutation) error {
	for i, m := range ms {
		switch m.GetOp().(type) {
		case nil, // the state machine says that it is empty
			*configpb.Mutation_PutDn, *configpb.Mutation_DeleteDn, *configpb.Mutation_PutGroup, *configpb.Mutation_DeleteGroup,
			*configpb.Mutation_PutNode, *configpb.Mutation_DeleteNode, *configpb.Mutation_PutOptions:
			if len(m.GetPutNode().GetKeySha256()) == 0 {
				continue
			}
		}
		return outcome.Info{Reason: outcome.NotApplied, Mutation: i + 1}.Status(codes.PermissionDenied,
			fmt.Sprintf("who may do what is changed by requests of its own, not by a write: %s", fsm.Describe(m)))
	}
	return nil
}

func command(mutations []*configpb.Mutation) *peerpb.Command {
	return &peerpb.Command{Version: fsm.Version, Mutations: mutations}
}

// fresh waits for a linearizable View if that is wanted.
func (c *Configuration) fresh(ctx context.Context, linearizable bool) (*fsm.View, error) {
	if linearizable {
		if err := c.writer.ReadIndex(ctx); err != nil {
			return nil, StatusError(err)
		}
	}
	return c.view(), nil
}

// GetDN returns one DN without its secret.
func (c *Configuration) GetDN(ctx context.Context, r *configpb.GetDNRequest) (*configpb.GetDNResponse, error) {
	if _, err := dn.ParseNumber(r.GetNumber()); err != nil {
		return nil, StatusError(err)
	}
	v, err := c.fresh(ctx, r.GetLinearizable())
	if err != nil {
		return nil, err
	}
	d := v.DN(r.GetNumber())
	if d == nil {
		return nil, status.Errorf(codes.NotFound, "DN %s does not exist", r.GetNumber())
	}
	return &configpb.GetDNResponse{Dn: withoutSecret(d)}, nil
}

// withoutSecret returns d as it may be shown to anybody.
func withoutSecret(d *configpb.DN) *configpb.DN {
	if d.GetHa1() == "" && d.GetTrunk().GetInboundAuth() == nil && d.GetTrunk().GetOutboundAuth() == nil {
		return d
	}
	d = proto.CloneOf(d)
	d.Ha1 = ""
	for _, a := range []*configpb.TrunkAuth{d.GetTrunk().GetInboundAuth(), d.GetTrunk().GetOutboundAuth()} {
		if a != nil {
			a.Ha1, a.Sha256Ha1 = "", ""
		}
	}
	return d
}

// GetOptions returns the options with the defaults filled in.
func (c *Configuration) GetOptions(context.Context, *configpb.GetOptionsRequest) (*configpb.GetOptionsResponse, error) {
	return &configpb.GetOptionsResponse{Options: c.view().Options()}, nil
}

// ListNodes returns the roster.
func (c *Configuration) ListNodes(ctx context.Context, r *configpb.ListNodesRequest) (*configpb.ListNodesResponse, error) {
	v, err := c.fresh(ctx, r.GetLinearizable())
	if err != nil {
		return nil, err
	}
	return &configpb.ListNodesResponse{Nodes: v.Nodes()}, nil
}

// Export streams one View: all of it is of the same moment.
func (c *Configuration) Export(r *configpb.ExportRequest, out configpb.Configuration_ExportServer) error {
	if who := access.From(out.Context()); who != nil && r.GetSecrets() && who.Role != configpb.Role_ROLE_ADMIN {
		return status.Errorf(codes.PermissionDenied, "role %s exports no secrets: leave them out (--no-secrets)", configpb.RoleName(who.Role))
	}
	v, err := c.fresh(out.Context(), r.GetLinearizable())
	if err != nil {
		return err
	}
	msg := &configpb.ExportResponse{Options: v.Options(), Nodes: v.Nodes()}
	objects := 0
	flush := func() error {
		err := out.Send(msg)
		msg, objects = &configpb.ExportResponse{}, 0
		return err
	}
	added := func() error {
		if objects++; objects < exportChunk {
			return nil
		}
		return flush()
	}
	for g := range v.Groups() {
		msg.Groups = append(msg.Groups, g)
		if err := added(); err != nil {
			return err
		}
	}
	for d := range v.DNs("") {
		if !r.GetSecrets() {
			d = withoutSecret(d)
		}
		msg.Dns = append(msg.Dns, d)
		if err := added(); err != nil {
			return err
		}
	}
	return flush()
}

// Import checks the whole input before it writes the first chunk.
func (c *Configuration) Import(s configpb.Configuration_ImportServer) error {
	leave, err := c.enterImport(s.Context())
	if err != nil {
		return err
	}
	defer leave()
	all, err := receive(s, c.limits)
	if err != nil {
		return err
	}
	if err := c.permits(s.Context(), all); err != nil {
		return err
	}
	// The check needs the present state, and there is no point in it without a quorum.
	v, err := c.fresh(s.Context(), true)
	if err != nil {
		return err
	}
	chunks, bad := checkImport(v, all)
	if len(bad) > 0 {
		return refuseImport(s, bad)
	}
	total, written := uint64(len(all)), uint64(0)
	for _, chunk := range chunks {
		if _, err := c.writer.Propose(s.Context(), command(chunk)); err != nil {
			return afterPart(err, written, importOrder(all))
		}
		written += uint64(len(chunk))
		if err := s.Send(&configpb.ImportResponse{Written: written, Total: total}); err != nil {
			return err
		}
	}
	return nil
}

// enterImport waits for the import or restore before this one.
func (c *Configuration) enterImport(ctx context.Context) (leave func(), err error) {
	// One that its client has just given up may still be ending.
	wait := time.NewTimer(importWait)
	defer wait.Stop()
	select {
	case c.importing <- struct{}{}:
		return func() { <-c.importing }, nil
	case <-wait.C:
		return nil, status.Error(codes.ResourceExhausted, "another import is running at this node: try again when it is done")
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// afterPart is the error of an import of which the first written mutations, in
// the order of writing, were applied.
func afterPart(err error, written uint64, order []int) error {
	s := status.Convert(StatusError(err))
	info := outcome.Of(s.Err())
	info.Written = written
	if at := int(written) + info.Mutation - 1; info.Mutation > 0 && at < len(order) {
		info.Mutation = order[at] + 1
	}
	if info.Reason == outcome.NotApplied && written > 0 {
		info.Reason = outcome.PartlyApplied
	}
	return info.Status(s.Code(), fmt.Sprintf("after %d of %d mutations were written: %s", written, len(order), s.Message()))
}

// receive reads the whole input. Its goroutine ends with the stream.
func receive(s configpb.Configuration_ImportServer, l importLimits) ([]*configpb.Mutation, error) {
	type part struct {
		r   *configpb.ImportRequest
		err error
	}
	parts := make(chan part)
	go func() {
		for {
			r, err := s.Recv()
			select {
			case parts <- part{r, err}:
			case <-s.Context().Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	var all []*configpb.Mutation
	quiet := time.NewTimer(l.silence)
	defer quiet.Stop()
	for size := 0; ; {
		select {
		case <-quiet.C:
			return nil, outcome.Info{Reason: outcome.NotApplied}.Status(codes.DeadlineExceeded,
				fmt.Sprintf("nothing was imported: the client sent nothing for %v", l.silence))
		case <-s.Context().Done(): // the goroutine may have seen it first
			return nil, status.FromContextError(s.Context().Err()).Err()
		case p := <-parts:
			switch {
			case errors.Is(p.err, io.EOF) && len(all) == 0:
				return nil, status.Error(codes.InvalidArgument, "the import is empty")
			case errors.Is(p.err, io.EOF):
				return all, nil
			case p.err != nil:
				return nil, p.err
			}
			all, size = append(all, p.r.GetMutations()...), size+proto.Size(p.r)
			if len(all) > l.mutations || size > l.bytes {
				return nil, status.Errorf(codes.ResourceExhausted, "an import has at most %d mutations and %d bytes, this one %d and %d or more: split it",
					l.mutations, l.bytes, len(all), size)
			}
			quiet.Reset(l.silence)
		}
	}
}

// checkImport cuts the mutations into Raft entries and plays them through on a
// View of its own. Groups are made first and deleted last, so that no entry
// names one of another. What is rejected has the mutation's number in the input; no
// more than maxRefused is looked for.
func checkImport(v *fsm.View, all []*configpb.Mutation) (chunks [][]*configpb.Mutation, bad []*fsm.Rejection) {
	order := importOrder(all)
	for at := 0; at < len(order) && len(bad) < maxRefused; {
		var chunk []*configpb.Mutation
		size := 0
		for _, i := range order[at:] {
			size += proto.Size(all[i]) + 8 // tag and length
			if len(chunk) == MaxWrite || size > MaxWriteBytes-1024 && len(chunk) > 0 {
				break
			}
			chunk = append(chunk, all[i])
		}
		next, rejected := v.WithMost(chunk)
		for _, r := range rejected {
			bad = append(bad, &fsm.Rejection{Mutation: order[at+r.Mutation-1] + 1, Kind: r.Kind, Text: r.Text})
		}
		v, at, chunks = next, at+len(chunk), append(chunks, chunk)
	}
	slices.SortStableFunc(bad, func(a, b *fsm.Rejection) int { return a.Mutation - b.Mutation })
	return chunks, bad
}

// maxRefused is how many mutations of an import are named that can't be done, and
// refusedPart how many of them in one message.
const maxRefused, refusedPart = 10_000, 500

// refuseImport names all that is wrong, when it is more than one thing, then fails by
// the first.
func refuseImport(s configpb.Configuration_ImportServer, bad []*fsm.Rejection) error {
	if len(bad) == 1 {
		return StatusError(bad[0])
	}
	for part := range slices.Chunk(bad[:min(len(bad), maxRefused)], refusedPart) {
		answer := &configpb.ImportResponse{}
		for _, r := range part {
			answer.Refused = append(answer.Refused, &configpb.Refusal{Mutation: uint32(r.Mutation), Text: r.Text})
		}
		if err := s.Send(answer); err != nil {
			return err
		}
	}
	return StatusError(bad[0])
}

// importOrder returns the indexes of the mutations in the order of writing.
func importOrder(all []*configpb.Mutation) []int {
	order := make([]int, 0, len(all))
	for stage := range 3 {
		for i, m := range all {
			if importStage(m) == stage {
				order = append(order, i)
			}
		}
	}
	return order
}

func importStage(m *configpb.Mutation) int {
	switch m.GetOp().(type) {
	case *configpb.Mutation_PutGroup:
		return 0
	case *configpb.Mutation_DeleteGroup:
		return 2
	}
	return 1
}
