package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
)

// writer is the one connection that writes, and the goroutine that has it. What comes while a transaction is being made durable goes
// into the next one together.
type writer struct {
	store *Store
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	jobs    chan job
	closing chan struct{} // no more jobs
	stopped chan struct{} // the goroutine is gone
	once    sync.Once
}

// job is a part of a transaction.
type job struct {
	ctx   context.Context
	do    func() error
	alone bool       // outside of a transaction
	done  chan error // takes one, without waiting
}

// together is how many jobs share a transaction at most.
const together = 64

func startWriter(ctx context.Context, s *Store, dsn string, check func(*writer) error) (_ *writer, err error) {
	w := &writer{store: s, stmts: map[string]*sql.Stmt{}, jobs: make(chan job, together), closing: make(chan struct{}), stopped: make(chan struct{})}
	if w.db, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	w.db.SetMaxOpenConns(1)
	if w.conn, err = w.db.Conn(ctx); err == nil {
		err = check(w)
	}
	if err != nil {
		return nil, errors.Join(err, w.disconnect())
	}
	go w.run()
	return w, nil
}

// submit hands in a job and waits until it is durable. When ctx ends before that, it is not known whether it will be.
func (s *Store) submit(ctx context.Context, what string, alone bool, do func() error) error {
	w := s.writer
	if w == nil {
		return s.failed(what, errors.New("it was opened to be read"))
	}
	if err := ctx.Err(); err != nil {
		return s.failed(what, err)
	}
	j := job{ctx, do, alone, make(chan error, 1)}
	select {
	case <-w.closing:
		return s.failed(what, errClosed)
	default:
	}
	select {
	case w.jobs <- j:
	case <-w.closing:
		return s.failed(what, errClosed)
	case <-ctx.Done():
		return s.failed(what, ctx.Err())
	}
	var err error
	select {
	case err = <-j.done:
	case <-ctx.Done():
		return s.failed(what, fmt.Errorf("it is not known whether that was written: %w", ctx.Err()))
	case <-w.stopped:
		select {
		case err = <-j.done:
		default:
			err = errClosed
		}
	}
	if err != nil {
		return s.failed(what, err)
	}
	return nil
}

func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case j := <-w.jobs:
			w.work(j)
		case <-w.closing:
			for {
				select {
				case j := <-w.jobs:
					w.work(j)
				default:
					return
				}
			}
		}
	}
}

// work does a job and those that wait behind it.
func (w *writer) work(first job) {
	group := []job{first}
	var alone *job
	for !first.alone && alone == nil && len(group) < together {
		select {
		case j := <-w.jobs:
			if j.alone {
				alone = &j
			} else {
				group = append(group, j)
			}
			continue
		default:
		}
		break
	}
	if first.alone {
		alone, group = &first, nil
	}
	if len(group) > 0 {
		w.commit(group)
	}
	if alone != nil {
		alone.done <- w.checked(alone.ctx.Err, alone.do)
	}
}

// commit does jobs in one transaction. One that fails leaves nothing and costs the others nothing, unless it takes the
// transaction with it, as a full disk does.
func (w *writer) commit(group []job) {
	errs := make([]error, len(group))
	err := w.checked(nil, func() error {
		return w.transaction(context.Background(), func() error {
			for i, j := range group {
				if errs[i] = j.ctx.Err(); errs[i] != nil {
					continue
				}
				if err := w.exec("SAVEPOINT job"); err != nil {
					return err
				}
				if errs[i] = j.do(); errs[i] != nil {
					if err := w.exec("ROLLBACK TO job"); err != nil {
						return errs[i] // the transaction is gone
					}
				}
				if err := w.exec("RELEASE job"); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for i, j := range group {
		if err != nil && errs[i] == nil {
			errs[i] = err
		}
		j.done <- errs[i]
	}
}

// checked writes nothing once the file was found damaged.
func (w *writer) checked(before, do func() error) error {
	if damaged := w.store.damaged.Load(); damaged != nil {
		return *damaged
	}
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	return do()
}

// transaction does all or nothing. Whoever else writes is waited for.
func (w *writer) transaction(ctx context.Context, do func() error) error {
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err != nil {
		_ = w.exec("ROLLBACK") // fails where SQLite has rolled back already
	}
	return err
}

// stmt prepares a statement once. Statements run to their end: a context that ends interrupts no transaction.
func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

// exec runs a statement that is not a parameterized one, or several.
func (w *writer) exec(query string, args ...any) error {
	if len(args) == 0 {
		_, err := w.conn.ExecContext(context.Background(), query)
		return err
	}
	_, err := w.change(query, args...)
	return err
}

// change runs a statement and says how many rows it changed.
func (w *writer) change(query string, args ...any) (int64, error) {
	s, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	r, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row reads one row into values; false when there is none.
func (w *writer) row(query string, args []any, into ...any) (bool, error) {
	s, err := w.stmt(query)
	if err != nil {
		return false, err
	}
	err = s.QueryRow(args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.closing) })
	<-w.stopped
	return w.disconnect()
}

func (w *writer) disconnect() error {
	var err error
	for _, s := range w.stmts {
		err = errors.Join(err, s.Close())
	}
	if w.conn != nil {
		err = errors.Join(err, w.conn.Close())
	}
	return errors.Join(err, w.db.Close())
}
