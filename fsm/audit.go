package fsm

import (
	"fmt"
	"iter"
	"strings"

	"github.com/google/btree"
	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

const (
	// Audited is how many of the last commands are told of, MaxAudit their bytes in all.
	Audited  = 10_000
	MaxAudit = 4 << 20
	// auditedChanges are told one by one of a command.
	auditedChanges = 20
	// auditedText is the length of each text in an entry.
	auditedText = 200
)

// audit is the log of the commands that were applied or refused, the oldest
// first. It is replicated state; nobody writes to it once its View is published.
type audit struct {
	rows  *btree.BTreeG[auditRow]
	bytes int
}

// auditRow is an AuditEntry in its wire form, under its index.
type auditRow struct {
	index uint64
	data  string
}

func newAudit() audit {
	return audit{rows: btree.NewG(degree, func(a, b auditRow) bool { return a.index < b.index })}
}

// with returns the log with a row added, and those that had to go for it.
func (a audit) with(r auditRow) (next audit, gone []auditRow) {
	next = audit{rows: a.rows.Clone(), bytes: a.bytes}
	next.insert(r)
	for next.rows.Len() > Audited || next.bytes > MaxAudit {
		old, _ := next.rows.DeleteMin()
		next.bytes -= len(old.data)
		gone = append(gone, old)
	}
	return next, gone
}

func (a *audit) insert(r auditRow) {
	a.rows.ReplaceOrInsert(r)
	a.bytes += len(r.data)
}

// Audit yields the entries behind an index, the oldest first; 0 yields all that
// are kept.
func (v *View) Audit(after uint64) iter.Seq[*configpb.AuditEntry] {
	return func(yield func(*configpb.AuditEntry) bool) {
		v.audit.rows.AscendGreaterOrEqual(auditRow{index: after + 1}, func(r auditRow) bool {
			e := &configpb.AuditEntry{}
			if proto.Unmarshal([]byte(r.data), e) != nil {
				return true // only a newer program writes what this one can't read
			}
			return yield(e)
		})
	}
}

// note keeps a command in the log, with why it was refused; before it, security was that.
func (d *draft) note(before *configpb.Security, cmd *peerpb.Command, why *Rejection) {
	e := &configpb.AuditEntry{
		Index: d.view.index, TimeMs: cmd.GetTimeMs(), Actor: cmd.GetActor(), RequestId: short(cmd.GetRequestId()),
		Mutations: uint32(len(cmd.GetMutations())),
	}
	for _, m := range cmd.GetMutations()[:min(len(cmd.GetMutations()), auditedChanges)] {
		change := Describe(m)
		if next := m.GetPutSecurity(); next != nil {
			change, before = short(change+describeSecurity(before, next)), next
		}
		e.Changes = append(e.Changes, change)
	}
	if why != nil {
		e.Refused = short(why.Error())
	}
	data := encode(e)
	next, gone := d.view.audit.with(auditRow{e.Index, string(data)})
	d.view.audit = next
	d.put(bucketAudit, seqKey(e.Index), data)
	for _, r := range gone {
		d.put(bucketAudit, seqKey(r.index), nil)
	}
}

// short bounds a text that came from outside.
func short(s string) string { return fmt.Sprintf("%.*s", auditedText, s) }

// saysPut and saysDelete begin what Describe says of a DN, saysRestored is what of all.
const saysPut, saysDelete, saysRestored = "put dn ", "delete dn ", "restore a backup"

// Concerns tells whether what Describe says of a mutation is about a DN, or about all.
func Concerns(change, dn string) bool {
	number, found := strings.CutPrefix(change, saysPut)
	if !found {
		number, found = strings.CutPrefix(change, saysDelete)
	}
	number, _, _ = strings.Cut(number, ":")
	return found && number == dn || change == saysRestored
}

// Describe says in a few words what a mutation changes; no secret is among them.
func Describe(m *configpb.Mutation) string {
	fields := ""
	if m.GetMask() != nil {
		fields = ": " + strings.Join(m.GetMask().GetPaths(), ", ")
	}
	switch op := m.GetOp().(type) {
	case *configpb.Mutation_PutDn:
		return short(saysPut + op.PutDn.GetNumber() + fields)
	case *configpb.Mutation_DeleteDn:
		return short(saysDelete + op.DeleteDn)
	case *configpb.Mutation_PutGroup:
		return short("put group " + op.PutGroup.GetName() + fields)
	case *configpb.Mutation_DeleteGroup:
		return short("delete group " + op.DeleteGroup)
	case *configpb.Mutation_PutNode:
		return short("put node " + op.PutNode.GetName() + fields)
	case *configpb.Mutation_DeleteNode:
		return short("delete node " + op.DeleteNode)
	case *configpb.Mutation_PutLevel:
		return fmt.Sprintf("raise the feature level to %d", op.PutLevel)
	case *configpb.Mutation_PutOptions:
		return short("put options" + fields)
	case *configpb.Mutation_PutToken:
		return short("put token " + op.PutToken.GetId() + " " + op.PutToken.GetName())
	case *configpb.Mutation_DeleteToken:
		return short("delete token " + op.DeleteToken)
	case *configpb.Mutation_PutInvite:
		return short("put invite " + op.PutInvite.GetId() + " " + op.PutInvite.GetNodeName())
	case *configpb.Mutation_DeleteInvite:
		return short("delete invite " + op.DeleteInvite)
	case *configpb.Mutation_PutSecurity:
		return "put security"
	case *configpb.Mutation_Restore:
		return saysRestored
	case *configpb.Mutation_Join:
		return short("join node " + op.Join.GetNode().GetName() + " by invite " + op.Join.GetInvite())
	}
	return "unknown change"
}
