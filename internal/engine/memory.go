package engine

import (
	"context"
	"sync"
	"time"

	"github.com/trailwarden/trailwarden/internal/ledger"
	"github.com/trailwarden/trailwarden/internal/notify"
)

const (
	// memoryKept is how long a channel's memory of an incident lasts after it was written last: longer than an incident is news.
	memoryKept = 90 * 24 * time.Hour
	// memoryTime is how long remembering may take, also when what it belongs to has ended: it is of a message that was sent.
	memoryTime = 5 * time.Second
)

// Memory is what channels remember over restarts: in the ledger, and in this process where there is none.
func (e *Engine) Memory() notify.Memory {
	if e.Keeper == nil {
		return &brief{}
	}
	return &lasting{store: e.Keeper.Store, now: e.now}
}

// lasting remembers by the ledger's marks.
type lasting struct {
	store ledger.Store
	now   func() time.Time
}

func (m *lasting) Recall(ctx context.Context, key string) (string, error) {
	value, _, err := mark(ctx, m.store, "memory/"+key, m.now())
	return value, err
}

func (m *lasting) Remember(ctx context.Context, key, value string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTime)
	defer cancel()
	_, err := m.store.Write(ctx, ledger.Batch{Marks: []ledger.Mark{{Key: "memory/" + key, Value: value, Expires: m.now().Add(memoryKept)}}})
	return err
}

// brief remembers as long as the process lasts. When it holds too much it forgets all.
type brief struct {
	mu   sync.Mutex
	kept map[string]string
}

func (m *brief) Recall(_ context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[key], nil
}

func (m *brief) Remember(_ context.Context, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil || len(m.kept) >= 10_000 {
		m.kept = make(map[string]string)
	}
	m.kept[key] = value
	return nil
}
