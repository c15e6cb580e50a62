package node

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// ids is a ring: its keys, made an hour apart from 0 on, and the primary.
func ids(primary uint32, keys ...uint32) *configpb.Keyring {
	r := &configpb.Keyring{Primary: primary}
	for i, id := range keys {
		r.Keys = append(r.Keys, &configpb.Key{Id: id, MadeMs: uint64(time.Duration(i) * time.Hour / time.Millisecond)})
	}
	return r
}

func signers(made ...uint64) (all []*configpb.Authority) {
	for _, ms := range made {
		all = append(all, &configpb.Authority{MadeMs: ms})
	}
	return all
}

// Every state of a rotation, and what may follow.
func TestNextSecurity(t *testing.T) {
	const hour = uint64(time.Hour / time.Millisecond)
	one := ids(1, 1)
	for name, c := range map[string]struct {
		s                  *configpb.Security
		now                uint64
		installed, renewed bool
		want               *configpb.Security // nil: nothing
	}{
		"nothing goes on":                         {&configpb.Security{Authorities: signers(1), Gossip: one, Routes: one}, 99 * hour, true, true, nil},
		"a key is new, not everybody has it":      {&configpb.Security{Authorities: signers(1), Gossip: ids(1, 1, 2), Routes: one}, 99 * hour, false, false, nil},
		"everybody has it":                        {&configpb.Security{Authorities: signers(1), Gossip: ids(1, 1, 2), Routes: one}, 99 * hour, true, false, &configpb.Security{Authorities: signers(1), Gossip: ids(2, 1, 2), Routes: one}},
		"it is used, not everybody knows":         {&configpb.Security{Authorities: signers(1), Gossip: ids(2, 1, 2), Routes: one}, 99 * hour, false, false, nil},
		"everybody uses it":                       {&configpb.Security{Authorities: signers(1), Gossip: ids(2, 1, 2), Routes: one}, 99 * hour, true, false, &configpb.Security{Authorities: signers(1), Gossip: &configpb.Keyring{Primary: 2, Keys: ids(2, 1, 2).Keys[1:]}, Routes: one}},
		"a key of routes is used":                 {&configpb.Security{Authorities: signers(1), Gossip: one, Routes: ids(1, 1, 2)}, hour, true, false, &configpb.Security{Authorities: signers(1), Gossip: one, Routes: ids(2, 1, 2)}},
		"the old one is in the phones":            {&configpb.Security{Authorities: signers(1), Gossip: one, Routes: ids(2, 1, 2)}, 25*hour + hour - 1, true, true, nil},
		"it is in no phone any more":              {&configpb.Security{Authorities: signers(1), Gossip: one, Routes: ids(2, 1, 2)}, 26 * hour, true, true, &configpb.Security{Authorities: signers(1), Gossip: one, Routes: &configpb.Keyring{Primary: 2, Keys: ids(2, 1, 2).Keys[1:]}}},
		"a new authority, not everybody knows":    {&configpb.Security{Authorities: signers(1, 2), Gossip: one, Routes: one}, 0, false, true, nil},
		"everybody trusts it":                     {&configpb.Security{Authorities: signers(1, 2), Gossip: one, Routes: one}, 0, true, false, &configpb.Security{Authorities: signers(2, 1), Gossip: one, Routes: one}},
		"it signs, somebody has not renewed":      {&configpb.Security{Authorities: signers(2, 1), Gossip: one, Routes: one}, 0, true, false, nil},
		"everybody has renewed":                   {&configpb.Security{Authorities: signers(2, 1), Gossip: one, Routes: one}, 0, false, true, &configpb.Security{Authorities: signers(2), Gossip: one, Routes: one}},
		"everybody has, before it signs anywhere": {&configpb.Security{Authorities: signers(1, 2), Gossip: one, Routes: one}, 0, false, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := proto.CloneOf(c.s)
			got := nextSecurity(c.s, c.now, c.installed, c.renewed)
			if (got == nil) != (c.want == nil) || !proto.Equal(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
			if !proto.Equal(c.s, before) {
				t.Error("it changed what it was given")
			}
		})
	}
}

// Who is not heard holds up no step of a ring, and no answer of one who is heard is
// none.
func TestInstalled(t *testing.T) {
	at := func(index uint64, heard bool) nodeProgress {
		return nodeProgress{heard: heard, answer: &peerpb.ProgressResponse{Installed: index}}
	}
	silent := nodeProgress{heard: true}
	for name, c := range map[string]struct {
		all  []nodeProgress
		want bool
	}{
		"all are there": {[]nodeProgress{at(7, true), at(8, true)}, true}, "one is behind": {[]nodeProgress{at(7, true), at(6, true)}, false},
		"one that is not heard": {[]nodeProgress{at(7, true), at(0, false)}, true}, "no answer": {[]nodeProgress{at(7, true), silent}, false},
	} {
		if got, all := behind(c.all, 7), name == "all are there"; (len(got) == 0) != all {
			t.Errorf("%s: a key of a node waits for %d nodes", name, len(got))
		}
		if installed(c.all, 7) != c.want {
			t.Errorf("%s: want %v", name, c.want)
		}
	}
}
