package fsm_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/fsm"
	"github.com/sipcluster/sipcluster/internal/patience"
)

// Each kind of mutation is told to those who watch, by itself.
func TestWatch_IsToldOfEachKindOfMutation(t *testing.T) {
	m := furnished(t)
	w := m.Watch()
	defer w.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience.Limit)
	defer cancel()
	if _, err := w.Next(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m    *configpb.Mutation
		want fsm.Changes
	}{
		{put(objects()["pstn"]), fsm.Changes{DNs: []string{"2001"}}},
		{deleteDN("2001"), fsm.Changes{DNs: []string{"2001"}, Withdrawn: map[string]fsm.Withdrawal{"2001": {Deleted: true}}}},
		{put(objects()["group"]), fsm.Changes{Groups: true}},
		{deleteGroup("sales"), fsm.Changes{Groups: true}},
		{put(objects()["node"]), fsm.Changes{Nodes: true}},
		{deleteNode("id-z"), fsm.Changes{Nodes: true}},
		{put(objects()["options"]), fsm.Changes{Options: true}},
	} {
		before := time.Now().UnixNano()
		apply(t, m, command(c.m))
		got, err := w.Next(ctx)
		for n, was := range got.Withdrawn {
			if was.At < before || was.At > time.Now().UnixNano() {
				t.Errorf("%s was withdrawn at %d", n, was.At)
			}
			was.At = 0
			got.Withdrawn[n] = was
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: told %+v, %v", c.m, got, err)
		}
	}
}
