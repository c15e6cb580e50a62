package api

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
)

// backedUp reads a backup to its end, and wants its progress to be right.
func backedUp(t *testing.T, c configpb.ConfigurationClient) (data []byte) {
	t.Helper()
	s, err := c.Backup(t.Context(), &configpb.BackupRequest{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return data
		}
		if err != nil {
			t.Fatal(err)
		}
		if data = append(data, r.GetData()...); len(r.GetData()) > backupPart || r.GetSent() != uint64(len(data)) || r.GetSent() > r.GetTotal() {
			t.Fatalf("%d bytes, sent %d of %d", len(r.GetData()), r.GetSent(), r.GetTotal())
		}
	}
}

func restored(t *testing.T, c configpb.ConfigurationClient, data []byte, dryRun bool) (*configpb.RestoreResponse, error) {
	t.Helper()
	s, err := c.Restore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); at += 100_000 {
		if err := s.Send(&configpb.RestoreRequest{Data: data[at:min(len(data), at+100_000)], DryRun: dryRun}); err != nil {
			break
		}
	}
	return s.CloseAndRecv()
}

// However large, a backup comes in bounded messages and is restored by one entry of the
// log, also when its first answer is lost; a dry run tells the same and does nothing.
func TestBackup_OneTransaction(t *testing.T) {
	l, c := configuration(t)
	ms := []*configpb.Mutation{putGroup("g")}
	for i := range 20_000 {
		ms = append(ms, putPhone(fmt.Sprint(100000+i), "g"))
	}
	if _, err := imported(t, c, ms); err != nil {
		t.Fatal(err)
	}
	data := backedUp(t, c)
	var gone []*configpb.Mutation
	for i := range 10_000 {
		gone = append(gone, &configpb.Mutation{Op: &configpb.Mutation_DeleteDn{DeleteDn: fmt.Sprint(100000 + i)}})
	}
	if _, err := imported(t, c, append(gone, putGroup("h"))); err != nil {
		t.Fatal(err)
	}
	entries := len(l.entries)
	told, err := restored(t, c, data, true)
	if err != nil || told.GetChanges() != 10_001 || len(told.GetDifferences()) != toldDifferences || told.GetRevision() != 0 || told.GetDns() != 20_000 || len(l.entries) != entries {
		t.Fatalf("%d changes, %d named, %v", told.GetChanges(), len(told.GetDifferences()), err)
	}
	done, err := restored(t, c, data, false)
	if err != nil || done.GetChanges() != told.GetChanges() || done.GetRevision() != l.m.View().Index() || len(l.entries) != entries+1 {
		t.Fatalf("%+v, %v", done.GetRevision(), err)
	}
	if v := l.m.View(); v.NumDNs() != 20_000 || v.Group("h") != nil {
		t.Errorf("%d DNs", v.NumDNs())
	}
}

func TestBackup_Errors(t *testing.T) {
	l, c := configuration(t)
	if _, err := imported(t, c, []*configpb.Mutation{putPhone("1000")}); err != nil {
		t.Fatal(err)
	}
	data, before := backedUp(t, c), l.m.Digest()
	for name, bad := range map[string][]byte{"nothing": {}, "a text": []byte("a text"), "cut short": data[:len(data)-1], "changed": append(append([]byte{}, data[:len(data)-1]...), data[len(data)-1]^1)} {
		if _, err := restored(t, c, bad, false); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	l.fail = fsm.ErrNoQuorum
	if _, err := restored(t, c, data, false); status.Code(err) != codes.Unavailable {
		t.Errorf("without a quorum: %v", err)
	}
	if l.m.Digest() != before {
		t.Error("something changed")
	}
}
