package api

import (
	"github.com/sipcluster/sipcluster/api/configpb"
)

// auditChunk entries are sent in one message.
const auditChunk = 200

// Audit streams what was applied here, the oldest first, and with follow what
// comes.
func (a *Access) Audit(r *configpb.AuditRequest, out configpb.Access_AuditServer) error {
	leave, err := a.audits.take(out.Context())
	if err != nil {
		return err
	}
	defer leave()
	for after := r.GetAfter(); ; {
		view := a.cfg.View()
		chunk := &configpb.AuditResponse{}
		for e := range view.Audit(after) {
			chunk.Entries = append(chunk.Entries, e)
			if len(chunk.Entries) == auditChunk {
				if err := out.Send(chunk); err != nil {
					return err
				}
				chunk = &configpb.AuditResponse{}
			}
		}
		if len(chunk.Entries) > 0 {
			if err := out.Send(chunk); err != nil {
				return err
			}
		}
		if !r.GetFollow() {
			return nil
		}
		after = max(after, view.Index())
		if err := a.cfg.Wait(out.Context(), after+1); err != nil {
			return err
		}
	}
}
